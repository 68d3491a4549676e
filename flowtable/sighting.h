// How a packet looked where it was seen, as hashes: to find it again when the feed shows it twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/hash.h"
#include "decode/decoded.h"
#include "flowtable/flow_key.h"

namespace hoptap::flowtable {

/// What routers, switches and tunnel ends change of a packet. Never 0.
inline std::uint32_t wire_of(const decode::Decoded& packet) {
  const base::Link& link = packet.link;
  static_assert(offsetof(base::Link, target) == offsetof(base::Link, source) + 6);
  const std::uint8_t* macs = link.source.bytes.data();  // both, twelve bytes
  const std::uint64_t looks = std::uint64_t{load32(macs + 8)} << 8 | packet.ttl;
  std::uint64_t hash = fold(load64(macs) ^ kFoldA, looks ^ kFoldB);
  if ((link.vlan_count | link.interface_index | packet.tunnels.depth) != 0) [[unlikely]] {
    hash = base::hash_values(hash, link.vlan_count > 0 ? link.vlans[0] : 0, link.vlan_count > 1 ? link.vlans[1] : 0,
                             link.interface_index);
    for (const decode::Tunnel& tunnel : packet.tunnels.used()) hash = base::hash_values(hash, tunnel.id);
  }
  return static_cast<std::uint32_t>(hash) | 1;
}

/// What stays the same of a packet along the path, and how well it tells the packet from others.
struct Signature {
  std::uint64_t hash;
  bool certain;   ///< IP-ID or timestamps tell it from all others
  bool tellable;  ///< anything does: bare ACKs without them look alike
};

inline Signature signature_of(const decode::Decoded& packet, const PacketKey& key) {
  const decode::Tcp& tcp = packet.tcp;
  const std::uint64_t size = std::uint64_t{packet.payload_wire_bytes} << 32 | key.sender << 16 | packet.ip_id;
  if (packet.outcome == decode::Outcome::kTcp) [[likely]] {
    const std::uint64_t place = std::uint64_t{tcp.sequence} << 32 | tcp.acknowledgment;
    std::uint64_t rest = std::uint64_t{tcp.window} << 8 | tcp.flags;
    if (tcp.has_timestamps) rest |= std::uint64_t{tcp.tsval} << 32;
    const bool certain = tcp.has_timestamps || packet.ip_id != 0;
    return {fold(place ^ key.hash, rest ^ kFoldB) + size * kFoldA, certain,
            certain || packet.payload_wire_bytes != 0 || tcp.has(decode::tcp_flag::kSyn)};
  }
  constexpr std::size_t kPayloadBytes = 64;
  const std::uint64_t payload =
      base::hash_bytes(packet.payload.first(std::min(packet.payload.size(), kPayloadBytes)), key.hash);
  return {payload + size * kFoldA, packet.ip_id != 0,
          packet.ip_id != 0 || packet.payload_wire_bytes != 0};
}

}  // namespace hoptap::flowtable
