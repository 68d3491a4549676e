// GRE headers where they lie: version 0 (RFC 2784, RFC 2890) and PPTP's version 1 (RFC 2637 section 4.1). Borrow the
// packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class GreView {
 public:
  static constexpr std::size_t kHeaderBytesMin = 4;

  /// kBadVersion: another version (1 is PPTP). kUnsupported: source routes (RFC 1701).
  [[nodiscard]] static base::Result<GreView> parse(const Slice& packet) {
    using base::Error;
    if (!packet.has(kHeaderBytesMin)) return tl::unexpected(packet.missing(kHeaderBytesMin));
    const std::uint16_t flags = be16(packet.bytes, 0);
    if ((flags & kVersion) != 0) return tl::unexpected(Error::kBadVersion);
    if ((flags & kRouting) != 0) return tl::unexpected(Error::kUnsupported);
    const GreView view(packet, flags);
    if (!packet.has(view.header_bytes())) return tl::unexpected(packet.missing(view.header_bytes()));
    return view;
  }

  std::uint16_t ether_type() const { return be16(packet_.bytes, 2); }
  bool has_sequence() const { return (flags_ & kSequence) != 0; }
  std::uint32_t sequence() const { return has_sequence() ? be32(packet_.bytes, header_bytes() - 4) : 0; }
  std::uint32_t key() const { return (flags_ & kKey) != 0 ? be32(packet_.bytes, key_at()) : 0; }
  Slice payload() const { return packet_.behind(header_bytes()); }

 private:
  static constexpr std::uint16_t kChecksum = 0x8000, kRouting = 0x4000, kKey = 0x2000, kSequence = 0x1000;
  static constexpr std::uint16_t kVersion = 0x0007;

  GreView(const Slice& packet, std::uint16_t flags) : packet_(packet), flags_(flags) {}

  std::size_t key_at() const { return kHeaderBytesMin + ((flags_ & kChecksum) != 0 ? 4 : 0); }
  std::size_t header_bytes() const {
    return key_at() + ((flags_ & kKey) != 0 ? 4 : 0) + ((flags_ & kSequence) != 0 ? 4 : 0);
  }

  Slice packet_;
  std::uint16_t flags_;
};

/// PPTP's GRE: a payload length and a call id in place of the key.
class PptpView {
 public:
  /// kBadVersion: not version 1 with PPP and a key.
  [[nodiscard]] static base::Result<PptpView> parse(const Slice& packet) {
    constexpr std::uint16_t kSequence = 0x1000, kAcknowledgment = 0x0080, kAllButThose = 0xef7f,
                            kKeyVersionOne = 0x2001;
    constexpr std::uint16_t kPpp = 0x880b;
    constexpr std::size_t kHeaderBytesMin = 8;
    if (!packet.has(kHeaderBytesMin)) return tl::unexpected(packet.missing(kHeaderBytesMin));
    const std::uint16_t flags = be16(packet.bytes, 0);
    if ((flags & kAllButThose) != kKeyVersionOne || be16(packet.bytes, 2) != kPpp) {
      return tl::unexpected(base::Error::kBadVersion);
    }
    const std::size_t header_bytes =
        kHeaderBytesMin + ((flags & kSequence) != 0 ? 4u : 0u) + ((flags & kAcknowledgment) != 0 ? 4u : 0u);
    if (!packet.has(header_bytes)) return tl::unexpected(packet.missing(header_bytes));
    return PptpView(packet.first(header_bytes + be16(packet.bytes, 4)), header_bytes);
  }

  std::uint16_t call_id() const { return be16(packet_.bytes, 6); }
  Slice ppp_frame() const { return packet_.behind(header_bytes_); }  ///< empty: an acknowledgment alone

 private:
  PptpView(const Slice& packet, std::size_t header_bytes) : packet_(packet), header_bytes_(header_bytes) {}

  Slice packet_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
