// Borrowed bytes and a cursor that reads untrusted bytes without ever leaving them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hoptap::base {

using Bytes = std::span<const std::uint8_t>;

/// Big-endian (network order) value of up to 8 bytes.
constexpr std::uint64_t load_be(Bytes bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

/// Little-endian value of up to 8 bytes.
constexpr std::uint64_t load_le(Bytes bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = bytes.size(); at > 0; --at) value = value << 8 | bytes[at - 1];
  return value;
}

/// The same bytes as text. Borrows.
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The same text as bytes. Borrows.
inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Reads untrusted bytes front to back. A read past the end gives zero and makes ok() false for
/// good, so a parser reads a whole header and then asks once.
class ByteCursor {
 public:
  constexpr explicit ByteCursor(Bytes bytes) : rest_(bytes) {}

  constexpr std::uint8_t u8() { return static_cast<std::uint8_t>(load_be(take(1))); }
  constexpr std::uint16_t u16() { return static_cast<std::uint16_t>(load_be(take(2))); }
  constexpr std::uint32_t u32() { return static_cast<std::uint32_t>(load_be(take(4))); }
  constexpr std::uint64_t u64() { return load_be(take(8)); }

  /// The next `count` bytes, or none when fewer are left.
  constexpr Bytes take(std::size_t count) {
    if (missing_ > 0 || count > rest_.size()) {
      missing_ += missing_ > 0 ? count : count - rest_.size();
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  constexpr Bytes rest() const { return rest_; }
  constexpr bool ok() const { return missing_ == 0; }
  constexpr std::size_t missing() const { return missing_; }  ///< bytes short, over all reads so far

 private:
  Bytes rest_;
  std::size_t missing_ = 0;
};

}  // namespace hoptap::base
