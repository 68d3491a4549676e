// What makes packets one flow, and its seeded hash.
#pragma once

#include <cstdint>
#include <cstring>

#include "decode/decoded.h"

namespace hoptap::flowtable {

/// Two 64-bit numbers into one, each of whose bits depends on all of theirs: the halves of their product (as wyhash).
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline constexpr std::uint64_t kFoldA = 0xa0761d6478bd642fULL, kFoldB = 0xe7037ed1a0b428dbULL;

/// Both directions of a flow have the same key: the endpoints are in a fixed order, `low` first. An
/// IPv4 address is the last four bytes of IpAddress, both in one number; IPv6 lies in `wide`.
struct FlowKey {
  /// Both addresses of an IPv6 flow, low first.
  struct Wide {
    std::uint64_t words[4];
    bool operator==(const Wide&) const = default;
  };
  std::uint64_t addresses = 0;   ///< IPv4: low << 32 | high; IPv6: the slab index of `Wide` in a Flow's key
  std::uint32_t ports = 0;       ///< low << 16 | high
  std::uint32_t tunnels = 0;     ///< the types of the tunnels (and what else the config counts)
  std::uint16_t interface_id = 0;
  std::uint8_t protocol = 0;
  bool is_wide = false;

  std::uint16_t port(std::size_t end) const { return static_cast<std::uint16_t>(end == 0 ? ports >> 16 : ports); }
};

/// The key of a packet, before it is known whether a flow has it.
struct PacketKey {
  FlowKey key;
  FlowKey::Wide wide;       ///< when key.is_wide
  std::uint64_t hash = 0;   ///< the low half goes to FlowIndex
  std::uint8_t sender = 0;  ///< which end sent the packet: 0 low, 1 high
};

/// What of a packet's encapsulation is part of its flow's key.
struct KeyConfig {
  bool vlan = false;       ///< VLAN ids: the same addresses in two VLANs are two flows
  bool tunnel_id = false;  ///< tunnel ids (VNI, TEID, ...): the same for tenants
  std::uint64_t seed = 0;
};

namespace detail {
inline std::uint64_t load64(const std::uint8_t* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
inline std::uint32_t load32(const std::uint8_t* bytes) {
  std::uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
}  // namespace detail

/// The tunnels (and VLANs) of a packet as a number; 1 for none.
std::uint32_t encapsulation_of(const decode::Decoded& packet, const KeyConfig& config);

/// @param wide  the addresses when key.is_wide
inline std::uint64_t hash_of(const FlowKey& key, const FlowKey::Wide& wide, std::uint64_t seed) {
  std::uint64_t addresses = key.addresses;
  if (key.is_wide)
    addresses = fold(fold(wide.words[0] ^ kFoldA, wide.words[1] ^ seed),
                     fold(wide.words[2] ^ kFoldB, wide.words[3] ^ seed) ^ kFoldA);
  const std::uint64_t rest = std::uint64_t{key.ports} << 32 |
                             (key.tunnels * 0x9e3779b1u ^ std::uint32_t{key.interface_id} << 8 ^ key.protocol);
  return fold(fold(addresses ^ seed, kFoldA) ^ rest, kFoldB ^ seed);
}

/// Needs outcome kTcp or kUdp.
inline PacketKey key_of(const decode::Decoded& packet, const KeyConfig& config) {
  using detail::load32;
  using detail::load64;
  PacketKey out;
  FlowKey& key = out.key;
  const std::uint8_t* source = packet.source.address.bytes.data();
  const std::uint8_t* target = packet.target.address.bytes.data();
  key.interface_id = packet.interface_id;
  key.protocol = packet.protocol;
  key.tunnels = packet.tunnels.depth == 0 && !config.vlan ? 1 : encapsulation_of(packet, config);
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const std::uint64_t mapped = load32(kMapped + 8);
  const bool v4 = (load64(source) | load64(target)) == 0 && load32(source + 8) == mapped && load32(target + 8) == mapped;
  if (v4) [[likely]] {
    const std::uint64_t from = load32(source + 12), to = load32(target + 12);
    out.sender = from != to ? from > to : packet.source.port > packet.target.port;
    key.addresses = out.sender == 0 ? from << 32 | to : to << 32 | from;
  } else {
    const int order = std::memcmp(source, target, 16);
    out.sender = order != 0 ? order > 0 : packet.source.port > packet.target.port;
    const std::uint8_t* low = out.sender == 0 ? source : target;
    const std::uint8_t* high = out.sender == 0 ? target : source;
    out.wide = {{load64(low), load64(low + 8), load64(high), load64(high + 8)}};
    key.is_wide = true;
  }
  const std::uint32_t from_port = packet.source.port, to_port = packet.target.port;
  key.ports = out.sender == 0 ? from_port << 16 | to_port : to_port << 16 | from_port;
  out.hash = hash_of(key, out.wide, config.seed);
  return out;
}

}  // namespace hoptap::flowtable
