// IP headers that the short cut of plain.h reads: IPv4 without options, IPv6 without extension headers. Private to
// decode/.
#pragma once

#include "decode/plain_bytes.h"
#include "decode/slice.h"

namespace hoptap::decode::plain {

static_assert(offsetof(Decoded, protocol) == offsetof(Decoded, ttl) + 1);
static_assert(offsetof(Decoded, outcome) == offsetof(Decoded, ttl) + 2);
static_assert(offsetof(Decoded, traffic_class) == offsetof(Decoded, ttl) + 3);
static_assert(offsetof(Decoded, ip_id) == offsetof(Decoded, ttl) + 4);
static_assert(offsetof(Decoded, ip_bytes) == offsetof(Decoded, ttl) + 8);

/// The outcome in a block that begins with the TTL.
template <Outcome kOutcome>
HOPTAP_PLAIN __m128i outcome_byte() {
  return _mm_setr_epi8(0, 0, static_cast<char>(kOutcome), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/// The 4 bytes at kAt as ::ffff:a.b.c.d.
template <char kAt>
HOPTAP_PLAIN __m128i mapped(__m128i block) {
  const __m128i address = _mm_shuffle_epi8(
      block, _mm_setr_epi8(k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, kAt, kAt + 1, kAt + 2, kAt + 3));
  return _mm_or_si128(address, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0));
}

struct Ipv4 {
  static constexpr std::size_t kHeaderBytes = 20;

  /// From here on: source, target, and 8 bytes behind the header, which begin with both ports.
  HOPTAP_PLAIN static __m128i load_addresses(const std::uint8_t* ip) { return load(ip + 12); }

  HOPTAP_PLAIN static void write_addresses(const std::uint8_t* ip, Tunnel& out) {
    const __m128i block = load_addresses(ip);
    store(out.source.bytes.data(), mapped<0>(block));
    store(out.target.bytes.data(), mapped<4>(block));
  }

  /// With the ports: 36 bytes, of which the second 16 are a port and the target's address but for its end.
  HOPTAP_PLAIN static void write_endpoints(const std::uint8_t* ip, Decoded& out) {
    static_assert(offsetof(Decoded, target) == offsetof(Decoded, source) + 18 && offsetof(base::Endpoint, port) == 16);
    const __m128i block = load_addresses(ip);
    const __m128i between =
        _mm_shuffle_epi8(block, _mm_setr_epi8(9, 8, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, 4, 5));
    const int end = _mm_cvtsi128_si32(
        _mm_shuffle_epi8(block, _mm_setr_epi8(6, 7, 11, 10, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0)));
    std::uint8_t* const to = place(out, offsetof(Decoded, source));
    store(to, mapped<0>(block));
    store(to + 16, _mm_or_si128(between, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0)));
    std::memcpy(to + 32, &end, sizeof end);
  }

  /// From the TTL to the length, and 0 into what lies between and the 4 bytes behind.
  template <Outcome kOutcome>
  HOPTAP_PLAIN static void write_fields(const Slice& packet, Decoded& out) {
    const __m128i fields = _mm_shuffle_epi8(load(packet.bytes.data()),
                                            _mm_setr_epi8(8, 9, k0, 1, 5, 4, k0, k0, 3, 2, k0, k0, k0, k0, k0, k0));
    store(place(out, offsetof(Decoded, ttl)), _mm_or_si128(fields, outcome_byte<kOutcome>()));
  }
};

/// The same of IPv6.
struct Ipv6 {
  static constexpr std::size_t kHeaderBytes = 40;

  HOPTAP_PLAIN static void write_addresses(const std::uint8_t* ip, Tunnel& out) {
    store(out.source.bytes.data(), load(ip + 8));
    store(out.target.bytes.data(), load(ip + 24));
  }

  HOPTAP_PLAIN static void write_endpoints(const std::uint8_t* ip, Decoded& out) {
    const Pair ports = pair(ip + kHeaderBytes);
    store(out.source.address.bytes.data(), load(ip + 8));
    store(out.target.address.bytes.data(), load(ip + 24));
    out.source.port = ports.first();
    out.target.port = ports.second();
  }

  template <Outcome kOutcome>
  HOPTAP_PLAIN static void write_fields(const Slice& packet, Decoded& out) {
    const __m128i fields = _mm_shuffle_epi8(
        load(packet.bytes.data()), _mm_setr_epi8(7, 6, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0, k0));
    store(place(out, offsetof(Decoded, ttl)), _mm_or_si128(fields, outcome_byte<kOutcome>()));
    out.traffic_class = static_cast<std::uint8_t>(be16(packet.bytes, 0) >> 4);
    out.ip_bytes = static_cast<std::uint32_t>(packet.wire_bytes);
  }
};

/// The packet's header, and the ports with which TCP's and UDP's begin.
template <class Ip, Outcome kOutcome>
HOPTAP_PLAIN void write_headers(const Slice& packet, Decoded& out) {
  Ip::write_endpoints(packet.bytes.data(), out);
  Ip::template write_fields<kOutcome>(packet, out);
}

/// After write_headers(), which may have written 0 into some of this.
HOPTAP_PLAIN void write_payload(const Slice& payload, std::uint64_t depth, Decoded& out) {
  out.payload = payload.bytes;
  out.payload_wire_bytes = static_cast<std::uint32_t>(payload.wire_bytes);
  static_assert(offsetof(Decoded, mirror) == offsetof(Decoded, tunnels) + offsetof(TunnelStack, depth) + 4);
  static_assert(offsetof(Mirror, type) == 0);
  std::memcpy(place(out, offsetof(Decoded, tunnels) + offsetof(TunnelStack, depth)), &depth, 8);
}

}  // namespace hoptap::decode::plain
