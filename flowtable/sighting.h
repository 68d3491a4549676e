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

/// What stays the same of a packet along the path, as a hash. kOutcome: the packet's, TCP or UDP. kSackless: it is
/// known to have no SACK block, whose edges may be all that tells duplicate ACKs apart; the hash is the same either
/// way.
/// @param way_hash  PacketKey's
template <decode::Outcome kOutcome, bool kSackless>
inline std::uint64_t signature_of(const decode::Decoded& packet, std::uint32_t way_hash) {
  // Odd, and fit an instruction.
  constexpr std::uint64_t kFactors[] = {0x5851f42d, 0x2545f491, 0x4f6cdd1d, 0x61c88647, 0x7feb352d};
  const PacketWords words(packet);
  const std::uint64_t identity = words.identity() * kFactors[0];
  if constexpr (kOutcome == decode::Outcome::kTcp) {
    const std::uint64_t sack = kSackless ? 0 : words.tcp(3) * kFactors[4];
    return (words.tcp(1) ^ way_hash) * kFactors[3] + words.tcp(0) * kFactors[1] + words.tcp(2) * kFactors[2] +
           identity + sack;
  } else {
    constexpr std::size_t kPayloadBytes = 64;
    return base::hash_bytes(packet.payload.first(std::min(packet.payload.size(), kPayloadBytes)), way_hash) + identity;
  }
}

/// Do IP-ID or timestamps tell the packet from all others?
template <decode::Outcome kOutcome>
inline bool is_certain(const decode::Decoded& packet) {
  if constexpr (kOutcome == decode::Outcome::kTcp)
    if (packet.tcp.has_timestamps) return true;
  return packet.ip_id != 0;
}

/// Does anything tell a packet that is not certain from others? Bare ACKs look alike.
template <decode::Outcome kOutcome>
inline bool is_tellable(const decode::Decoded& packet) {
  if constexpr (kOutcome == decode::Outcome::kTcp)
    if (packet.tcp.has(decode::tcp_flag::kSyn)) return true;
  return packet.payload_wire_bytes != 0;
}

}  // namespace hoptap::flowtable
