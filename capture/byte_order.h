// Integers of a capture file, which is written in the byte order of the host that captured.
// Private to capture/.
#pragma once

#include <bit>
#include <cassert>
#include <concepts>
#include <cstring>

#include "base/bytes.h"

namespace hoptap::capture {

/// Reads integers in the byte order found in a file's magic number.
class ByteOrder {
 public:
  constexpr explicit ByteOrder(std::endian of_file = std::endian::little) : swapped_(of_file != std::endian::native) {}

  /// The integer at byte `at`; needs at + sizeof(integer) <= bytes.size().
  std::uint16_t u16(base::Bytes bytes, std::size_t at) const {
    const auto value = load<std::uint16_t>(bytes, at);
    return swapped_ ? __builtin_bswap16(value) : value;
  }
  std::uint32_t u32(base::Bytes bytes, std::size_t at) const {
    const auto value = load<std::uint32_t>(bytes, at);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  std::uint64_t u64(base::Bytes bytes, std::size_t at) const {
    const auto value = load<std::uint64_t>(bytes, at);
    return swapped_ ? __builtin_bswap64(value) : value;
  }
  bool is_native() const { return !swapped_; }

 private:
  template <std::unsigned_integral Integer>
  static Integer load(base::Bytes bytes, std::size_t at) {
    assert(at + sizeof(Integer) <= bytes.size());
    Integer value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }

  bool swapped_;
};

}  // namespace hoptap::capture
