// How a packet looked where it was seen, as hashes: to find it again when the feed shows it twice.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "decode/decoded.h"
#include "flowtable/flow_key.h"
#include "flowtable/packet_words.h"

namespace hoptap::flowtable {

/// What routers, switches and tunnel ends change of a packet. Never 0.
inline std::uint32_t wire_of(const decode::Decoded& packet) {
  const PacketWords words(packet);
  std::uint64_t hash = fold(words.link(0) ^ kFoldA, words.link(1) ^ kFoldB ^ packet.ttl) + words.link(2) * kFoldB;
  if (packet.tunnels.depth != 0) [[unlikely]]
    for (const decode::Tunnel& tunnel : packet.tunnels.used()) hash = fold(hash ^ kFoldA, tunnel.id ^ kFoldB);
  return static_cast<std::uint32_t>(hash >> 32) | 1;
}

/// What stays the same of a packet along the path, and how well it tells the packet from others.
struct Signature {
  std::uint64_t hash;
  bool certain;   ///< IP-ID or timestamps tell it from all others
  bool tellable;  ///< anything does: bare ACKs without them look alike
};

inline Signature signature_of(const decode::Decoded& packet, const PacketKey& key) {
  const PacketWords words(packet);
  const std::uint64_t identity = words.identity() * kFoldA + key.sender;
  if (packet.outcome == decode::Outcome::kTcp) [[likely]] {
    const std::uint64_t hash = fold(words.tcp(1) ^ key.hash, words.tcp(2) + words.tcp(0) * kFoldB) + identity;
    const bool certain = packet.tcp.has_timestamps || packet.ip_id != 0;
    return {hash, certain, certain || packet.payload_wire_bytes != 0 || packet.tcp.has(decode::tcp_flag::kSyn)};
  }
  constexpr std::size_t kPayloadBytes = 64;
  const std::uint64_t payload =
      base::hash_bytes(packet.payload.first(std::min(packet.payload.size(), kPayloadBytes)), key.hash);
  return {payload + identity, packet.ip_id != 0, packet.ip_id != 0 || packet.payload_wire_bytes != 0};
}

}  // namespace hoptap::flowtable
