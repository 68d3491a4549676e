// Neighbouring fields of a decoded packet read as one number: what is compared and hashed of every packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "decode/decoded.h"

namespace hoptap::flowtable {

template <class Number>
inline Number read_number(const void* from) {
  Number value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Needs a packet with an IP header; the TCP words one with outcome kTcp.
class PacketWords {
 public:
  explicit PacketWords(const decode::Decoded& packet) : bytes_(reinterpret_cast<const std::uint8_t*>(&packet)) {}

  /// What the packets of a flow that go one way have in common: link, endpoints, looks().
  static constexpr std::size_t kCommonBytes = 64;
  const std::uint8_t* common() const { return bytes_; }

  /// One number of the endpoints, by multiplication: in a table of two to the n places, the upper n bits are the place.
  std::uint64_t place_of_endpoints() const {
    constexpr std::size_t kEnd =
        offsetof(base::Endpoint, port) + sizeof(base::Endpoint::port) - 8;  // address' end, port
    const auto source = read_number<std::uint64_t>(bytes_ + offsetof(Decoded, source) + kEnd);
    const auto target = read_number<std::uint64_t>(bytes_ + offsetof(Decoded, target) + kEnd);
    return source * 0x2545f491 + target * 0x5851f42d;  // that fit an instruction
  }

  /// TTL, protocol, outcome and traffic class.
  std::uint32_t looks() const { return read_number<std::uint32_t>(bytes_ + offsetof(Decoded, ttl)); }

  /// The interface and the protocol, and nothing else, above the lowest bit.
  std::uint64_t place() const {
    return read_number<std::uint64_t>(bytes_ + offsetof(Decoded, ttl)) & 0xffff'0000'0000'ff00;
  }

  /// IP-ID (lowest), interface, and length on the wire.
  std::uint64_t identity() const { return read_number<std::uint64_t>(bytes_ + offsetof(Decoded, ip_id)); }

  /// MACs, VLANs, cooked interface.
  std::uint64_t link(std::size_t word) const {
    return read_number<std::uint64_t>(bytes_ + offsetof(Decoded, link) + 8 * word);
  }

  /// Timestamps; sequence and acknowledgment; window, flags and what options there are; edges of the first SACK block.
  std::uint64_t tcp(std::size_t word) const {
    return read_number<std::uint64_t>(bytes_ + offsetof(Decoded, tcp) + 8 * word);
  }
  /// Flags (lowest), window scale, SACK blocks.
  std::uint32_t control() const { return read_number<std::uint32_t>(bytes_ + offsetof(Decoded, tcp.flags)); }

 private:
  using Decoded = decode::Decoded;
  using Tcp = decode::Tcp;
  static_assert(offsetof(Decoded, link) == 0 && offsetof(Decoded, source) == 24 && offsetof(Decoded, target) == 42);
  static_assert(offsetof(Decoded, ttl) == kCommonBytes - 4 && sizeof(base::Endpoint) == 18);
  static_assert(offsetof(Decoded, protocol) == offsetof(Decoded, ttl) + 1);
  static_assert(offsetof(Decoded, outcome) == offsetof(Decoded, ttl) + 2);
  static_assert(offsetof(Decoded, traffic_class) == offsetof(Decoded, ttl) + 3);
  static_assert(offsetof(Decoded, ip_id) == offsetof(Decoded, ttl) + 4);
  static_assert(offsetof(Decoded, interface_id) == offsetof(Decoded, ttl) + 6);
  static_assert(offsetof(Decoded, ip_bytes) == offsetof(Decoded, ttl) + 8);
  static_assert(offsetof(base::Link, target) == 6 && offsetof(base::Link, vlans) == 12);
  static_assert(std::has_unique_object_representations_v<base::Link>);
  static_assert(offsetof(base::Link, vlan_count) == 16 && sizeof(base::Link) == 24);
  static_assert(offsetof(Tcp, tsecr) == 4 && offsetof(Tcp, sequence) == 8 && offsetof(Tcp, acknowledgment) == 12);
  static_assert(offsetof(Tcp, window) == 16 && offsetof(Tcp, mss) == 18 && offsetof(Tcp, flags) == 20);
  static_assert(offsetof(Tcp, sack_left) == 24 && offsetof(Tcp, sack_right) == 28);
  static_assert(offsetof(Tcp, window_scale) == 21 && offsetof(Tcp, sack_blocks) == 22);

  const std::uint8_t* bytes_;
};

}  // namespace hoptap::flowtable
