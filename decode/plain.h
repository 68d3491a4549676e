// The packets that most packets are: Ethernet with at most one VLAN tag, IPv4 without options, whole, TCP without
// options or with the usual timestamps. A short cut of what walk.h does, with the same result (decode_plain_test.cpp
// compares them): headers go to their fields by shuffles of 16 bytes, some 60 instructions a packet instead of 350
// (tests/bench/ decode_speed.cpp). For x86 with AVX (2011); others take the walk. Private to decode/.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "capture/packet.h"
#include "decode/decoded.h"
#include "decode/slice.h"

#define HOPTAP_PLAIN [[gnu::always_inline, gnu::target("avx")]] inline

namespace hoptap::decode::plain {

HOPTAP_PLAIN __m128i load(const std::uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
HOPTAP_PLAIN void store(std::uint8_t* to, __m128i block) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block); }

/// Four bytes of the wire, the first lowest.
HOPTAP_PLAIN std::uint32_t word(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
constexpr std::uint32_t wire(std::uint32_t value) { return __builtin_bswap32(value); }

constexpr std::size_t kEthernetBytes = 14, kTaggedBytes = 18, kIpBytes = 20, kTcpBytes = 20, kTimestampsBytes = 12;
constexpr char kZero = -128;  ///< in a shuffle

/// IPv4 and TCP with so many bytes of options, all of which were captured, of a frame of `size`.
/// False, with `out` in disorder, if the packet is a fragment, not TCP, or contradicts itself.
template <std::size_t kLinkBytes, std::size_t kOptionsBytes>
HOPTAP_PLAIN bool read(const std::uint8_t* ip, std::size_t size, Decoded& out) {
  constexpr std::size_t kHeadersBytes = kIpBytes + kTcpBytes + kOptionsBytes;
  if ((word(ip + 6) & wire(0x3fff00ff)) != wire(0x00000006)) return false;
  const std::size_t total_bytes = be16({ip, kHeadersBytes}, 2);
  if (total_bytes < kHeadersBytes) return false;
  const std::size_t wire_bytes = total_bytes - kHeadersBytes;
  auto* const base = reinterpret_cast<std::uint8_t*>(&out);
  const __m128i addresses = load(ip + 4);         // id, flags, ttl, protocol, checksum, source, target
  const __m128i transport = load(ip + kIpBytes);  // ports, sequence, acknowledgment, offset, flags, window

  // ::ffff:a.b.c.d and the port; twice, as both lie: each store begins where the last ended.
  static_assert(offsetof(Decoded, target) == offsetof(Decoded, source) + 18 && offsetof(base::Endpoint, port) == 16);
  static_assert(offsetof(Decoded, ttl) == offsetof(Decoded, target) + 18);
  store(base + offsetof(Decoded, source),
        _mm_or_si128(_mm_shuffle_epi8(addresses, _mm_setr_epi8(kZero, kZero, kZero, kZero, kZero, kZero, kZero, kZero,
                                                               kZero, kZero, kZero, kZero, 8, 9, 10, 11)),
                     _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0)));
  const __m128i swapped_port =  // and two zero bytes of the target's address
      _mm_shuffle_epi8(transport, _mm_setr_epi8(1, 0, kZero, kZero, kZero, kZero, kZero, kZero, kZero, kZero, kZero,
                                                kZero, kZero, kZero, kZero, kZero));
  const int source_port = _mm_cvtsi128_si32(swapped_port);
  std::memcpy(base + offsetof(Decoded, source) + 16, &source_port, 4);
  const __m128i ports_and_addresses =
      _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(addresses), _mm_castsi128_ps(transport)));
  store(
      base + offsetof(Decoded, target) + 2,
      _mm_or_si128(_mm_shuffle_epi8(ports_and_addresses, _mm_setr_epi8(kZero, kZero, kZero, kZero, kZero, kZero, kZero,
                                                                       kZero, kZero, kZero, 12, 13, 14, 15, 3, 2)),
                   _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0)));

  static_assert(offsetof(Decoded, protocol) == offsetof(Decoded, ttl) + 1 && Outcome::kTcp == Outcome{0});
  static_assert(offsetof(Decoded, outcome) == offsetof(Decoded, ttl) + 2);
  static_assert(offsetof(Decoded, traffic_class) == offsetof(Decoded, ttl) + 3);
  static_assert(offsetof(Decoded, ip_id) == offsetof(Decoded, ttl) + 4);
  static_assert(offsetof(Decoded, ip_bytes) == offsetof(Decoded, ttl) + 8);
  store(base + offsetof(Decoded, ttl),
        _mm_shuffle_epi8(load(ip), _mm_setr_epi8(8, 9, kZero, 1, 5, 4, kZero, kZero, 3, 2, kZero, kZero, kZero, kZero,
                                                 kZero, kZero)));

  static_assert(offsetof(Decoded, l4_checksum) + 2 == offsetof(Decoded, tcp));
  static_assert(offsetof(Decoded, payload_wire_bytes) + 8 == offsetof(Decoded, tcp));
  static_assert(offsetof(Tcp, sequence) == 8 && offsetof(Tcp, window) == 16 && offsetof(Tcp, flags) == 20);
  static_assert(offsetof(Tcp, sack_left) == 24);
  if constexpr (kOptionsBytes == kTimestampsBytes) {
    store(base + offsetof(Decoded, tcp) - 8,
          _mm_shuffle_epi8(load(ip + 36), _mm_setr_epi8(kZero, kZero, kZero, kZero, kZero, kZero, 1, 0, 11, 10, 9, 8,
                                                        15, 14, 13, 12)));
  } else {
    out.l4_checksum = be16({ip, kHeadersBytes}, kIpBytes + 16);
    out.tcp.tsval = out.tcp.tsecr = 0;
  }
  store(base + offsetof(Decoded, tcp) + offsetof(Tcp, sequence),
        _mm_shuffle_epi8(transport,
                         _mm_setr_epi8(7, 6, 5, 4, 11, 10, 9, 8, 15, 14, kZero, kZero, 13, kZero, kZero, kZero)));
  out.tcp.sack_left = out.tcp.sack_right = 0;
  constexpr std::uint16_t kHasTimestamps = kOptionsBytes == kTimestampsBytes ? 1 : 0;  // and SACK not permitted
  static_assert(offsetof(Tcp, sack_permitted) == offsetof(Tcp, has_timestamps) + 1);
  std::memcpy(&out.tcp.has_timestamps, &kHasTimestamps, 2);
  out.tcp.options = {ip + kIpBytes + kTcpBytes, kOptionsBytes};
  out.payload = {ip + kHeadersBytes, std::min(wire_bytes, size - kLinkBytes - kHeadersBytes)};
  out.payload_wire_bytes = static_cast<std::uint32_t>(wire_bytes);
  static_assert(offsetof(Decoded, mirror) == offsetof(Decoded, tunnels) + offsetof(TunnelStack, depth) + 4);
  static_assert(offsetof(Mirror, type) == 0);
  std::memset(base + offsetof(Decoded, tunnels) + offsetof(TunnelStack, depth), 0, 8);  // no tunnels, no mirror
  return true;
}

/// The frame's addresses; no VLAN.
HOPTAP_PLAIN void read_link(const std::uint8_t* frame, Link& link) {
  static_assert(offsetof(Link, source) == 0 && offsetof(Link, target) == 6 && offsetof(Link, vlans) == 12);
  store(reinterpret_cast<std::uint8_t*>(&link),
        _mm_shuffle_epi8(load(frame), _mm_setr_epi8(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, kZero, kZero, kZero, kZero)));
  static_assert(offsetof(Link, vlan_count) == 16 && sizeof(Link) == 24);
  std::memset(reinterpret_cast<std::uint8_t*>(&link) + 16, 0, 8);  // no VLAN, no interface
}

/// By the length of the TCP header. The frame has at least 20 bytes of it.
template <std::size_t kLinkBytes>
HOPTAP_PLAIN bool read_any(const std::uint8_t* frame, std::size_t size, Decoded& out) {
  constexpr std::uint8_t kNoOptions = 0x50, kTwelveBytes = 0x80;  // data offset in words, reserved bits clear
  constexpr std::size_t kWithTimestamps = kLinkBytes + kIpBytes + kTcpBytes + kTimestampsBytes;
  const std::uint8_t* const ip = frame + kLinkBytes;
  if (ip[kIpBytes + 12] == kTwelveBytes) {
    if (size < kWithTimestamps || word(ip + kIpBytes + kTcpBytes) != wire(0x0101080a)) return false;
    return read<kLinkBytes, kTimestampsBytes>(ip, size, out);
  }
  return ip[kIpBytes + 12] == kNoOptions && read<kLinkBytes, 0>(ip, size, out);
}

/// Reads a packet of an Ethernet link into all of `out` but its time; interface 0. False if it is not plain; then `out`
/// is in disorder.
HOPTAP_PLAIN bool read_packet(const base::Bytes& bytes, Decoded& out) {
  constexpr std::uint32_t kTypeAndVersion = wire(0x08004500), kAllButTrafficClass = wire(0xffffff00);
  const std::uint8_t* const frame = bytes.data();
  const std::size_t size = bytes.size();
  if (size < kEthernetBytes + kIpBytes + kTcpBytes) return false;
  if ((word(frame + 12) & kAllButTrafficClass) == kTypeAndVersion) [[likely]] {
    read_link(frame, out.link);
    return read_any<kEthernetBytes>(frame, size, out);
  }
  const bool is_tagged = frame[12] == 0x81 && frame[13] == 0 && size >= kTaggedBytes + kIpBytes + kTcpBytes;
  if (!is_tagged || (word(frame + 16) & kAllButTrafficClass) != kTypeAndVersion) return false;
  read_link(frame, out.link);
  out.link.vlans[0] = be16(bytes, 14) & 0x0fff;
  out.link.vlan_count = 1;
  return read_any<kTaggedBytes>(frame, size, out);
}

}  // namespace hoptap::decode::plain

#undef HOPTAP_PLAIN
#endif
