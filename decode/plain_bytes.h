// What the short cut of plain.h loads and stores with. For x86; only plain.h and what it includes may include it.
// Private to decode/.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decode/decoded.h"

#define HOPTAP_PLAIN [[gnu::always_inline, gnu::target("avx")]] inline

namespace hoptap::decode::plain {

HOPTAP_PLAIN __m128i load(const std::uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
HOPTAP_PLAIN void store(std::uint8_t* to, __m128i block) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block); }

/// A field of `out` and what lies behind it.
HOPTAP_PLAIN std::uint8_t* place(Decoded& out, std::size_t offset) {
  return reinterpret_cast<std::uint8_t*>(&out) + offset;
}

/// Four bytes of the wire, the first lowest.
HOPTAP_PLAIN std::uint32_t word(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
constexpr std::uint32_t wire(std::uint32_t value) { return __builtin_bswap32(value); }

/// Two numbers of two bytes that are next to each other on the wire.
struct Pair {
  std::uint32_t both;
  constexpr std::uint16_t first() const { return static_cast<std::uint16_t>(both >> 16); }
  constexpr std::uint16_t second() const { return static_cast<std::uint16_t>(both); }
};
HOPTAP_PLAIN Pair pair(const std::uint8_t* from) { return {wire(word(from))}; }

constexpr char k0 = -128;  ///< in a shuffle: zero

/// What the short cut makes of a frame.
enum class Found : std::uint8_t {
  kTcp,
  kUdp,
  kTunnel,  ///< a tunnel, noted in Decoded::tunnels, in which there is another frame
  kOther,   ///< the walk has to read it
};

/// The frame that is being read.
struct Frame {
  base::Bytes bytes;
  std::uint64_t depth = 0;  ///< tunnels around it
};

}  // namespace hoptap::decode::plain
