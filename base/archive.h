// Plain values to bytes and back for what hoptap keeps for itself: LEB128 numbers, times as differences. One visit()
// names the fields of a value once; ArchiveWriter and ArchiveReader go over them in that order. Pure; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hoptap::base {

inline constexpr std::size_t kArchiveTextBytesMax = 1u << 20;  ///< longer texts are cut

/// LEB128, least significant group first.
inline void put_number(std::uint64_t value, std::vector<std::uint8_t>& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

[[nodiscard]] inline Result<std::uint64_t> take_number(Bytes& bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = 0; at < bytes.size() && at < 10; ++at) {
    value |= std::uint64_t{bytes[at] & 0x7fu} << (7 * at);
    if ((bytes[at] & 0x80) != 0) continue;
    bytes = bytes.subspan(at + 1);
    return value;
  }
  return tl::unexpected(Error::kTruncated);
}

/// Numbers that may be negative, small ones short.
constexpr std::uint64_t zigzag(std::uint64_t difference) {
  const auto value = static_cast<std::int64_t>(difference);
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ (0 - (value & 1)); }

/// Writes fields in the order they are visited.
class ArchiveWriter {
 public:
  explicit ArchiveWriter(std::vector<std::uint8_t>& out) : out_(out) {}
  template <class Number>
  void number(const Number& value) {
    put_number(static_cast<std::uint64_t>(value), out_);
  }
  void time(const std::uint64_t& value, std::uint64_t reference) {
    put_number(value == 0 ? 0 : zigzag(value - reference) + 1, out_);  // 0 stays "not seen"
  }
  void hash(const std::uint64_t& value) {  // random bits do not get shorter
    for (unsigned shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  template <std::size_t kSize>
  void bytes(const std::array<std::uint8_t, kSize>& value) {
    out_.insert(out_.end(), value.begin(), value.end());
  }
  void text(const std::string& value) {
    const std::size_t kept = std::min(value.size(), kArchiveTextBytesMax);
    put_number(kept, out_);
    out_.insert(out_.end(), value.begin(), value.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  template <class List>
  void count(const List& list, std::size_t max) {
    put_number(std::min(list.size(), max), out_);
  }

 private:
  std::vector<std::uint8_t>& out_;
};

/// Reads the same fields in the same order; after an error everything reads as zero.
class ArchiveReader {
 public:
  explicit ArchiveReader(Bytes& in) : in_(in) {}
  template <class Number>
  void number(Number& value) {
    value = static_cast<Number>(take());
  }
  void time(std::uint64_t& value, std::uint64_t reference) {
    const std::uint64_t coded = take();
    value = coded == 0 ? 0 : unzigzag(coded - 1) + reference;
  }
  void hash(std::uint64_t& value) { value = load_le(raw(8)); }
  template <std::size_t kSize>
  void bytes(std::array<std::uint8_t, kSize>& value) {
    const Bytes taken = raw(kSize);
    std::copy(taken.begin(), taken.end(), value.begin());
  }
  void text(std::string& value) { value = as_text(raw(take())); }
  template <class List>
  void count(List& list, std::size_t max) {
    const std::uint64_t size = take();
    if (size > max) ok_ = false;
    list.resize(ok_ ? size : 0);
  }
  bool ok() const { return ok_; }

 private:
  std::uint64_t take() {
    if (ok_ && !in_.empty() && in_[0] < 0x80) {  // most numbers
      const std::uint64_t value = in_[0];
      in_ = in_.subspan(1);
      return value;
    }
    const Result<std::uint64_t> value = take_number(in_);
    if (!value) ok_ = false;
    return ok_ ? *value : 0;
  }
  Bytes raw(std::uint64_t size) {
    if (size > in_.size()) ok_ = false;
    if (!ok_) return {};
    const Bytes taken = in_.first(size);
    in_ = in_.subspan(size);
    return taken;
  }

  Bytes& in_;
  bool ok_ = true;
};

}  // namespace hoptap::base
