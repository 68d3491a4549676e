// 64-bit hashes of bytes and values: the same on every host and in every version of hoptap.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <type_traits>

#include "base/bytes.h"

namespace hoptap::base {

/// XXH3-64 of bytes.
inline std::uint64_t hash_bytes(Bytes bytes, std::uint64_t seed = 0) {
  if (seed == 0) return XXH3_64bits(bytes.data(), bytes.size());  // the same by a shorter way
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// Mixes values, in order, into one 64-bit hash; each must be an integer or an enumeration.
template <class... Values>
constexpr std::uint64_t hash_values(Values... values) {
  std::uint64_t hash = 0x9e3779b97f4a7c15ULL;
  const auto mix = [&hash](std::uint64_t value) {  // the 64-bit finalizer of MurmurHash3, chained
    hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53ULL;
    hash ^= hash >> 33;
  };
  (mix(static_cast<std::uint64_t>(values)), ...);
  return hash;
}

}  // namespace hoptap::base
