// How a packet looked where it was seen, as hashes: to find it again when the feed shows it twice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/hash.h"
#include "decode/decoded.h"
#include "flowtable/flow_key.h"

namespace hoptap::flowtable {

/// One packet's looks.
struct Sighting {
  std::uint64_t signature = 0;  ///< of what stays the same along the path
  std::uint32_t wire = 0;       ///< of what routers, switches and tunnel ends change; never 0
  bool certain = false;         ///< IP-ID or timestamps tell it from all others
  bool tellable = false;        ///< anything does: bare ACKs without them look alike
};

namespace detail {

inline std::uint64_t mac_words(const base::MacAddress& mac) {
  std::uint64_t words = 0;
  std::memcpy(&words, mac.bytes.data(), mac.bytes.size());
  return words;
}

inline std::uint32_t wire_hash(const decode::Decoded& packet) {
  const base::Link& link = packet.link;
  std::uint64_t hash = fold(mac_words(link.source) ^ std::uint64_t{packet.ttl} << 48 ^ kFoldA,
                            mac_words(link.target) ^ std::uint64_t{link.vlan_count} << 48 ^ kFoldB);
  if ((link.vlan_count | link.interface_index | packet.tunnels.depth) != 0) {
    hash = base::hash_values(hash, link.vlan_count > 0 ? link.vlans[0] : 0, link.vlan_count > 1 ? link.vlans[1] : 0,
                             link.interface_index);
    for (const decode::Tunnel& tunnel : packet.tunnels.used()) hash = base::hash_values(hash, tunnel.id);
  }
  return static_cast<std::uint32_t>(hash ^ hash >> 32) | 1;
}

inline std::uint64_t udp_signature(const decode::Decoded& packet) {
  constexpr std::size_t kPayloadBytes = 64;
  return base::hash_bytes(packet.payload.first(std::min(packet.payload.size(), kPayloadBytes)),
                          packet.payload_wire_bytes);
}

}  // namespace detail

inline Sighting sighting_of(const decode::Decoded& packet, const PacketKey& key) {
  const decode::Tcp& tcp = packet.tcp;
  const bool is_tcp = packet.outcome == decode::Outcome::kTcp;
  Sighting out;
  out.wire = detail::wire_hash(packet);
  std::uint64_t content = 0;
  if (is_tcp) [[likely]] {
    out.certain = packet.ip_id != 0 || tcp.has_timestamps;
    out.tellable = out.certain || packet.payload_wire_bytes != 0 || tcp.has(decode::tcp_flag::kSyn);
    content = fold((std::uint64_t{tcp.sequence} << 32 | tcp.acknowledgment) ^ kFoldA,
                   (std::uint64_t{tcp.has_timestamps ? tcp.tsval : 0} << 32 | std::uint32_t{tcp.flags} << 16 |
                    tcp.window) ^ kFoldB);
  } else {
    out.certain = packet.ip_id != 0;
    out.tellable = out.certain || packet.payload_wire_bytes != 0;
    content = detail::udp_signature(packet);
  }
  out.signature = fold(content ^ key.hash,
                       (std::uint64_t{packet.ip_id} << 32 | packet.payload_wire_bytes) ^ kFoldB) ^ key.sender;
  return out;
}

}  // namespace hoptap::flowtable
