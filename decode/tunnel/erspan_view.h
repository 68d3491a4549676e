// ERSPAN headers of type II and III where they lie, behind GRE (draft-foschiano-erspan-03 section 4). Borrow the
// packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/decoded.h"
#include "decode/slice.h"

namespace hoptap::decode {

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

  std::uint16_t session_id() const { return be16(payload_.bytes, 2) & 0x03ff; }
  Slice frame() const { return payload_.behind(kHeaderBytes); }

  void fill(Mirror& mirror) const {
    mirror.type = 2;
    mirror.vlan = be16(payload_.bytes, 0) & 0x0fff;
    mirror.truncated = (payload_.bytes[2] & 0x04) != 0;
    mirror.session_id = session_id();
    mirror.port = be32(payload_.bytes, 4) & 0x000fffff;
  }

 private:
  explicit Erspan2View(const Slice& payload) : payload_(payload) {}

  Slice payload_;
};

/// ERSPAN type III: 12 bytes, and 8 more when it says so.
class Erspan3View {
 public:
  static constexpr std::size_t kHeaderBytesMin = 12, kSubheaderBytes = 8;

  /// `payload` is that of a GRE packet. kBadVersion: not type III.
  [[nodiscard]] static base::Result<Erspan3View> parse(const Slice& payload) {
    constexpr std::uint8_t kTypeThree = 2;
    if (!payload.has(kHeaderBytesMin)) return tl::unexpected(payload.missing(kHeaderBytesMin));
    if (payload.bytes[0] >> 4 != kTypeThree) return tl::unexpected(base::Error::kBadVersion);
    const Erspan3View view(payload);
    if (!payload.has(view.header_bytes())) return tl::unexpected(payload.missing(view.header_bytes()));
    return view;
  }

  std::uint16_t session_id() const { return be16(payload_.bytes, 2) & 0x03ff; }
  bool holds_ip() const { return (flags() >> 10 & 0x1f) == 2; }  ///< frame type: an IP packet, not an Ethernet frame
  Slice frame() const { return payload_.behind(header_bytes()); }

  void fill(Mirror& mirror) const {
    mirror.type = 3;
    mirror.vlan = be16(payload_.bytes, 0) & 0x0fff;
    mirror.truncated = (payload_.bytes[2] & 0x04) != 0;
    mirror.session_id = session_id();
    mirror.timestamp = be32(payload_.bytes, 4);
    mirror.has_timestamp = true;
    mirror.hardware_id = flags() >> 4 & 0x3f;
    mirror.egress = (flags() & 0x08) != 0;
    mirror.granularity = static_cast<Granularity>(flags() >> 1 & 0x03);
    if (has_subheader()) fill_from_subheader(mirror);
  }

 private:
  explicit Erspan3View(const Slice& payload) : payload_(payload) {}

  std::uint16_t flags() const { return be16(payload_.bytes, 10); }
  bool has_subheader() const { return (flags() & 0x01) != 0; }
  std::size_t header_bytes() const { return kHeaderBytesMin + (has_subheader() ? kSubheaderBytes : 0); }

  /// Its first 6 bits say what the rest means; only platforms 3, 5, 6 and 7 give what Mirror holds.
  void fill_from_subheader(Mirror& mirror) const {
    const std::uint32_t first = be32(payload_.bytes, kHeaderBytesMin);
    const std::uint32_t platform = first >> 26;
    if (platform != 3 && platform != 5 && platform != 6 && platform != 7) return;
    if (platform != 7) mirror.port = platform == 3 ? first & 0x0fff : first & 0xffff;
    mirror.timestamp_high = be32(payload_.bytes, kHeaderBytesMin + 4);
    mirror.timestamp_wide = true;
    mirror.has_seconds = platform == 5 || platform == 6;
  }

  Slice payload_;
};

}  // namespace hoptap::decode
