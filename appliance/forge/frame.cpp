#include "appliance/forge/frame.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "appliance/forge/connection.h"

namespace hoptap::forge {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kIpBytes = 20;
constexpr std::size_t kTcpBytes = 20;
constexpr std::size_t kUdpBytes = 8;
constexpr std::size_t kVxlanBytes = 8;
constexpr std::uint32_t kVxlanPort = 4789;
constexpr std::uint8_t kProtocolIpInIp = 4, kProtocolTcp = 6, kProtocolUdp = 17, kProtocolGre = 47;

std::size_t gre_bytes(const OuterHeader& tunnel) { return tunnel.id == 0 ? 4 : 8; }

/// Bytes that a layer of encapsulation puts between the outer IP header and the packet inside.
std::size_t shim_bytes(const OuterHeader& tunnel) {
  switch (tunnel.kind) {
    case TunnelKind::kVxlan: return kUdpBytes + kVxlanBytes + kEthernetBytes;
    case TunnelKind::kGre: return gre_bytes(tunnel);
    case TunnelKind::kIpInIp: return 0;
  }
  return 0;
}

}  // namespace

std::uint64_t checksum_add(std::uint64_t sum, base::Bytes bytes) {
  // In words of 4 bytes as they lie: the sum may be swapped at the end (RFC 1071 section 2 B).
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, 4);
    sum += word;
  }
  if (at < bytes.size()) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    sum += word;
  }
  return sum;
}

std::uint16_t checksum_fold(std::uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  auto folded = static_cast<std::uint16_t>(~sum);
  if constexpr (std::endian::native == std::endian::little)
    folded = static_cast<std::uint16_t>(folded << 8 | folded >> 8);
  return folded;
}

std::size_t option_bytes(const Packet& packet) {
  std::size_t bytes = 0;
  if (packet.has(kSyn)) {
    bytes = (packet.mss > 0 ? 4U : 0U) + 4;  // window scale, with a no-operation
    bytes += packet.timestamps ? 12U : packet.sack_permitted ? 4U : 0U;
    return bytes;
  }
  if (packet.timestamps) bytes += 12;
  if (packet.sack_count > 0) bytes += 4 + std::size_t{8} * packet.sack_count;
  return bytes;
}

base::Bytes FrameMaker::make(const Packet& packet, const Place& place) {
  used_ = 0;
  std::size_t bytes = kIpBytes + kTcpBytes + option_bytes(packet) + packet.bytes;
  std::array<std::size_t, Packet::kTunnelsMax> inside{};
  for (std::size_t layer = 0; layer < packet.tunnel_count; ++layer) {
    inside[layer] = bytes;
    bytes += shim_bytes(packet.tunnels[layer]) + kIpBytes;
  }
  ethernet(place.links[packet.tunnel_count], packet);
  for (std::size_t layer = packet.tunnel_count; layer-- > 0;) outer(packet, layer, place, inside[layer]);
  ip(packet.source.ip, packet.target.ip, kProtocolTcp, packet.ttl, packet.ip_id,
     kTcpBytes + option_bytes(packet) + packet.bytes);
  tcp(packet);
  return base::Bytes(buffer_).first(used_);
}

void FrameMaker::ethernet(const Link& link, const Packet& packet) {
  const bool to_server = packet.toward == Toward::kServer;
  const auto address = [&](std::uint32_t device, bool client_side_of_link) {
    // A device between two links has an address on each; hosts have one, and every client its own.
    u16(0x0200);
    u16(device == 0 ? packet.connection->client_device : device);
    u16(device == 0 ? 1 : client_side_of_link ? 2 : 3);
  };
  address(to_server ? link.server_side : link.client_side, !to_server);
  address(to_server ? link.client_side : link.server_side, to_server);
  u16(0x0800);
}

void FrameMaker::ip(std::uint32_t source, std::uint32_t target, std::uint8_t protocol, std::uint8_t ttl,
                    std::uint16_t id, std::size_t payload_bytes) {
  const std::size_t start = used_;
  assert(kIpBytes + payload_bytes <= 0xffff);
  u16(0x4500);
  u16(static_cast<std::uint32_t>(kIpBytes + payload_bytes));
  u16(id);
  u16(0x4000);
  u8(ttl);
  u8(protocol);
  u16(0);
  u32(source);
  u32(target);
  const std::uint16_t sum = checksum_fold(checksum_add(0, base::Bytes(buffer_).subspan(start, kIpBytes)));
  buffer_[start + 10] = static_cast<std::uint8_t>(sum >> 8);
  buffer_[start + 11] = static_cast<std::uint8_t>(sum);
}

void FrameMaker::outer(const Packet& packet, std::size_t layer, const Place& place, std::size_t inner_bytes) {
  const OuterHeader& tunnel = packet.tunnels[layer];
  const std::uint8_t protocol = tunnel.kind == TunnelKind::kVxlan ? kProtocolUdp
                                : tunnel.kind == TunnelKind::kGre ? kProtocolGre
                                                                  : kProtocolIpInIp;
  ip(tunnel.source, tunnel.target, protocol, tunnel.ttl, tunnel.ip_id, shim_bytes(tunnel) + inner_bytes);
  if (tunnel.kind == TunnelKind::kGre) {  // RFC 2784, with a key: RFC 2890
    u16(tunnel.id == 0 ? 0 : 0x2000);
    u16(0x0800);
    if (tunnel.id != 0) u32(tunnel.id);
  }
  if (tunnel.kind == TunnelKind::kVxlan) {  // RFC 7348; no UDP checksum
    u16(tunnel.source_port);
    u16(kVxlanPort);
    u16(static_cast<std::uint32_t>(shim_bytes(tunnel) + inner_bytes));
    u16(0);
    u32(0x08000000);
    u32(tunnel.id << 8);
    ethernet(place.links[layer], packet);
  }
}

void FrameMaker::tcp(const Packet& packet) {
  const std::size_t start = used_;
  const std::size_t header_bytes = kTcpBytes + option_bytes(packet);
  u16(packet.source.port);
  u16(packet.target.port);
  u32(packet.sequence);
  u32(packet.acknowledgment);
  u8(static_cast<std::uint32_t>(header_bytes / 4) << 4);
  u8(packet.flags);
  u16(packet.window);
  u32(0);
  tcp_options(packet);
  payload_offset_ = used_;
  packet.connection->stream(packet.toward).copy(packet.from, packet.bytes, buffer_.data() + used_);
  used_ += packet.bytes;
  const std::size_t bytes = used_ - start;
  const std::uint64_t pseudo =
      checksum_add(0, base::Bytes(buffer_).subspan(start - 8, 8));  // addresses end the IP header
  std::array<std::uint8_t, 4> rest{0, kProtocolTcp, static_cast<std::uint8_t>(bytes >> 8),
                                   static_cast<std::uint8_t>(bytes)};
  const std::uint16_t sum =
      checksum_fold(checksum_add(checksum_add(pseudo, rest), base::Bytes(buffer_).subspan(start, bytes)));
  buffer_[start + 16] = static_cast<std::uint8_t>(sum >> 8);
  buffer_[start + 17] = static_cast<std::uint8_t>(sum);
}

void FrameMaker::tcp_options(const Packet& packet) {  // in Linux's order
  constexpr std::uint32_t kNothing = 1;
  const auto timestamps = [&] {
    u16(0x080a);
    u32(packet.tsval);
    u32(packet.tsecr);
  };
  if (packet.has(kSyn)) {
    if (packet.mss > 0) u32(0x02040000U | packet.mss);
    const bool sack_first = packet.sack_permitted;
    if (packet.timestamps || sack_first) u16(sack_first ? 0x0402 : kNothing << 8 | kNothing);
    if (packet.timestamps) {
      timestamps();
    } else if (sack_first) {
      u16(kNothing << 8 | kNothing);
    }
    u8(kNothing);
    u16(0x0303);
    u8(packet.window_scale);
    return;
  }
  if (packet.timestamps) {
    u16(kNothing << 8 | kNothing);
    timestamps();
  }
  if (packet.sack_count == 0) return;
  u16(kNothing << 8 | kNothing);
  u8(5);
  u8(2 + 8U * packet.sack_count);
  for (std::size_t i = 0; i < packet.sack_count; ++i) {
    const SackBlock& block = packet.sacks[i];
    u32(block.sequence);
    u32(block.sequence + static_cast<std::uint32_t>(block.end - block.from));
  }
}

}  // namespace hoptap::forge
