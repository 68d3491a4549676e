// A network service header where it lies (RFC 8300 section 2). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/link.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// What the "next protocol" of NSH and VXLAN-GPE stands for (RFC 8300 section 2.2): 0 when it is neither IP, Ethernet,
/// NSH nor MPLS.
inline std::uint16_t next_protocol_type(std::uint8_t next_protocol) {
  switch (next_protocol) {
    case 1: return ether_type::kIpv4;
    case 2: return ether_type::kIpv6;
    case 3: return ether_type::kBridged;
    case 4: return ether_type::kServiceHeader;
    case 5: return ether_type::kMpls;
    default: return 0;
  }
}

/// parse() is the only way to make one, so no getter can read out of bounds.
class NshView {
 public:
  [[nodiscard]] static base::Result<NshView> parse(const Slice& packet) {
    constexpr std::size_t kHeaderBytesMin = 8;
    if (!packet.has(kHeaderBytesMin)) return tl::unexpected(packet.missing(kHeaderBytesMin));
    const std::size_t header_bytes = (packet.bytes[1] & 0x3fu) * 4u;
    if (packet.bytes[0] >> 6 != 0) return tl::unexpected(base::Error::kBadVersion);
    if (header_bytes < kHeaderBytesMin) return tl::unexpected(base::Error::kBadLength);
    if (!packet.has(header_bytes)) return tl::unexpected(packet.missing(header_bytes));
    return NshView(packet, header_bytes);
  }

  std::uint8_t next_protocol() const { return packet_.bytes[3]; }
  std::uint32_t service_path() const { return be32(packet_.bytes, 4) >> 8; }
  Slice payload() const { return packet_.behind(header_bytes_); }

 private:
  NshView(const Slice& packet, std::size_t header_bytes) : packet_(packet), header_bytes_(header_bytes) {}

  Slice packet_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
