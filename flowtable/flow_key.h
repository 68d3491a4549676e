// What makes packets one flow, and its seeded hash.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "decode/decoded.h"
#include "flowtable/packet_words.h"

namespace hoptap::flowtable {

static_assert(std::endian::native == std::endian::little);

/// Two 64-bit numbers into one, each of whose bits depends on all of theirs: the halves of their product (as wyhash).
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline constexpr std::uint64_t kFoldA = 0xa0761d6478bd642fULL, kFoldB = 0xe7037ed1a0b428dbULL;

/// FlowKey::protocol(), by IANA.
inline constexpr std::uint8_t kTcp = 6, kUdp = 17;

/// Both directions of a flow have the same key: the endpoints are in a fixed order, `low` first.
struct FlowKey {
  /// Both addresses of an IPv6 flow, low first.
  struct Wide {
    std::uint64_t words[4];
    bool operator==(const Wide&) const = default;
  };
  std::uint64_t addresses;          ///< IPv4: low << 32 | high, each the last word of IpAddress; IPv6: where `Wide` is
  std::uint64_t ports_and_tunnels;  ///< low port << 48 | high port << 32 | encapsulation_of()
  std::uint64_t place;              ///< PacketWords::place() | is_wide

  /// But for the addresses.
  bool is_like(const FlowKey& other) const {
    return ports_and_tunnels == other.ports_and_tunnels && place == other.place;
  }
  std::uint16_t port(std::size_t end) const {
    return static_cast<std::uint16_t>(ports_and_tunnels >> (end == 0 ? 48 : 32));
  }
  std::uint16_t interface_id() const { return static_cast<std::uint16_t>(place >> 48); }
  std::uint8_t protocol() const { return static_cast<std::uint8_t>(place >> 8); }
  bool is_wide() const { return (place & 1) != 0; }
};

/// The key of a packet, before it is known whether a flow has it. With IPv6 `addresses` is a hash of both.
struct PacketKey {
  FlowKey key;
  std::uint64_t hash;    ///< the low half goes to FlowIndex
  std::uint32_t sender;  ///< which end sent the packet: 0 low, 1 high

  /// Tells the two ways of a flow apart.
  std::uint32_t way_hash() const { return static_cast<std::uint32_t>(hash >> 32) + sender; }
};

/// What of a packet's encapsulation is part of its flow's key.
struct KeyConfig {
  bool vlan = false;       ///< VLAN ids: the same addresses in two VLANs are two flows
  bool tunnel_id = false;  ///< tunnel ids (VNI, TEID, ...): the same for tenants
  std::uint64_t seed = 0;  ///< of the hash; where others choose the packets it must be a secret
};

/// The tunnels (and VLANs) of a packet as a number; 1 for none.
std::uint32_t encapsulation_of(const decode::Decoded& packet, const KeyConfig& config);

inline std::uint64_t hash_of(const FlowKey::Wide& wide, std::uint64_t seed) {
  // The seed is in every factor: a product with 0 would be 0 whatever the other is.
  return fold(fold(wide.words[0] ^ kFoldA ^ seed, wide.words[1] ^ seed),
              fold(wide.words[2] ^ kFoldB ^ std::rotl(seed, 32), wide.words[3] ^ seed) ^ kFoldA);
}

/// Of a packet's key, or of a flow's whose `addresses` are as in a packet's.
inline std::uint64_t hash_of(const FlowKey& key, std::uint64_t seed) {
  return fold(key.addresses ^ (kFoldA ^ seed), (key.ports_and_tunnels + key.place * kFoldB) ^ seed);
}

/// The addresses of an IPv6 packet, low first.
inline FlowKey::Wide wide_of(const decode::Decoded& packet, std::uint32_t sender) {
  const std::uint8_t* low = (sender == 0 ? packet.source : packet.target).address.bytes.data();
  const std::uint8_t* high = (sender == 0 ? packet.target : packet.source).address.bytes.data();
  FlowKey::Wide wide;
  std::memcpy(&wide.words[0], low, 16);
  std::memcpy(&wide.words[2], high, 16);
  return wide;
}

/// Needs outcome kTcp or kUdp.
inline void fill_key(const decode::Decoded& packet, const KeyConfig& config, PacketKey& out) {
  const std::uint8_t* source = packet.source.address.bytes.data();
  const std::uint8_t* target = packet.target.address.bytes.data();
  const std::uint32_t from_port = packet.source.port, to_port = packet.target.port;
  constexpr std::uint64_t kMapped = 0xffff'0000;  // bytes 8 to 11 of ::ffff:a.b.c.d, as a little-endian number
  const auto from = read_number<std::uint64_t>(source + 8), to = read_number<std::uint64_t>(target + 8);
  const bool v4 = (read_number<std::uint64_t>(source) | read_number<std::uint64_t>(target) |
                   static_cast<std::uint32_t>((from ^ kMapped) | (to ^ kMapped))) == 0;
  std::uint32_t sender = 0;
  if (v4) [[likely]] {
    sender = from != to ? from > to : from_port > to_port;
    // In the order low, high: the halves change places when the high end is the sender.
    out.key.addresses = std::rotl((from & 0xffffffff'00000000) | to >> 32, static_cast<int>(sender * 32));
  } else {
    const int order = std::memcmp(source, target, 16);
    sender = order != 0 ? order > 0 : from_port > to_port;
    out.key.addresses = hash_of(wide_of(packet, sender), config.seed);
  }
  const std::uint32_t ports = std::rotl(from_port << 16 | to_port, static_cast<int>(sender * 16));
  std::uint32_t tunnels = 1;
  if ((packet.tunnels.depth | static_cast<std::uint8_t>(config.vlan)) != 0) [[unlikely]]
    tunnels = encapsulation_of(packet, config);
  out.key.ports_and_tunnels = std::uint64_t{ports} << 32 | tunnels;
  out.key.place = PacketWords(packet).place() | (v4 ? 0 : 1);
  out.sender = sender;
  out.hash = hash_of(out.key, config.seed);
}

}  // namespace hoptap::flowtable
