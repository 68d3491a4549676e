// How a value becomes a code that is small when the value is near what was expected, and back. Every value has a code,
// whatever was expected. Pure functions. Private to export/wire.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/archive.h"

namespace hoptap::exporting::coding {

/// The distance from `expected` with the width of the value: sequence numbers wrap.
template <class Number>
constexpr std::uint64_t difference(Number value, Number expected) {
  using Signed = std::make_signed_t<Number>;
  const auto distance = static_cast<Signed>(static_cast<Number>(value - expected));
  return base::zigzag(static_cast<std::uint64_t>(static_cast<std::int64_t>(distance)));
}

template <class Number>
constexpr Number from_difference(std::uint64_t code, Number expected) {
  return static_cast<Number>(expected + static_cast<Number>(base::unzigzag(code)));
}

/// Times: 0 is the code of 0 (not seen), 1 of the other time expected unless that is 0, and the distances from
/// `expected` have the codes that are left, in order.
constexpr std::uint64_t time(std::uint64_t value, std::uint64_t expected, std::uint64_t other = 0) {
  if (value == 0) return 0;
  if (value == other) return 1;
  const std::uint64_t distance = base::zigzag(value - expected);
  std::uint64_t code = distance;
  if (distance < base::zigzag(0 - expected)) ++code;
  if (other != 0 && distance < base::zigzag(other - expected)) ++code;
  return code;
}

constexpr std::uint64_t from_time(std::uint64_t code, std::uint64_t expected, std::uint64_t other = 0) {
  if (code == 0) return 0;
  const std::uint64_t of_zero = base::zigzag(0 - expected);
  if (other == 0) return base::unzigzag(code <= of_zero ? code - 1 : code) + expected;
  if (code == 1) return other;
  const std::uint64_t of_other = base::zigzag(other - expected);
  std::uint64_t distance = code - 2;
  if (distance >= std::min(of_zero, of_other)) ++distance;
  if (distance >= std::max(of_zero, of_other)) ++distance;
  return base::unzigzag(distance) + expected;
}

/// References into a table whose entries come in the order of first use, `used` of them so far. 0: as before in this
/// column; 1: the next entry; else from the newest back.
constexpr std::uint64_t reference(std::uint64_t index, std::uint64_t before, std::uint64_t used) {
  if (index == before) return 0;
  return index >= used ? 1 : 1 + used - index;
}

/// May be `used` (the next entry) or, of codes that no writer makes, any number beyond.
constexpr std::uint64_t from_reference(std::uint64_t code, std::uint64_t before, std::uint64_t used) {
  if (code == 0) return before;
  return code == 1 ? used : 1 + used - code;
}

}  // namespace hoptap::exporting::coding
