// GRE headers where they lie (RFC 2784, RFC 2890), and the ERSPAN header behind one
// (draft-foschiano-erspan section 4.2). Borrow the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class GreView {
 public:
  static constexpr std::size_t kHeaderBytesMin = 4;

  /// kBadVersion: another version (1 is PPTP, RFC 2637). kUnsupported: source routes (RFC 1701).
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

/// ERSPAN type II: 8 bytes before the mirrored Ethernet frame.
class Erspan2View {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  /// `payload` is that of a GRE packet with a sequence number. kBadVersion: not type II.
  [[nodiscard]] static base::Result<Erspan2View> parse(const Slice& payload) {
    constexpr std::uint8_t kTypeTwo = 1;
    if (!payload.has(kHeaderBytes)) return tl::unexpected(payload.missing(kHeaderBytes));
    if (payload.bytes[0] >> 4 != kTypeTwo) return tl::unexpected(base::Error::kBadVersion);
    return Erspan2View(payload);
  }

  std::uint32_t session_id() const { return be16(payload_.bytes, 2) & 0x03ffu; }
  Slice frame() const { return payload_.behind(kHeaderBytes); }

 private:
  explicit Erspan2View(const Slice& payload) : payload_(payload) {}

  Slice payload_;
};

}  // namespace hoptap::decode
