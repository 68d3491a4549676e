// The lines of text protocols. Private to decode/l7/.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hoptap::decode::l7 {

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Without blanks at either end.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

inline std::string_view without_cr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Takes lines off a stream; a line ends with LF, a CR before it is dropped (RFC 9112 section 2.2). LFs are looked for
/// 64 bytes at a time and each byte once: lines are short, a call of memchr() for each would cost more than they do.
class Lines {
 public:
  explicit Lines(base::Bytes stream)
      : begin_(base::as_text(stream).data()), at_(begin_), ahead_(begin_), end_(begin_ + stream.size()) {}

  /// The next line without its end, or nothing when no whole line is there.
  std::optional<std::string_view> next() {
    std::optional<std::string_view> line;
    find([](const char*) { return true; },
         [&line](std::string_view found) {
           line = without_cr(found);
           return true;
         });
    return line;
  }

  /// Calls `is_last(line)` for each whole line, with its CR but not its LF, until it says so. Passes over those of
  /// which `is_wanted(place)` is not true: the place has a byte at least, if only that of the line's end. @return has
  /// it said so?
  template <class IsWanted, class IsLast>
  [[gnu::always_inline]] bool find(IsWanted is_wanted, IsLast is_last) {
    Lines now = *this;  // in registers
    do {
      while (now.found_ != 0) {
        const char* const begin = now.at_;
        const char* const end = now.block_ + static_cast<unsigned>(std::countr_zero(now.found_));
        now.found_ &= now.found_ - 1;
        const bool last = is_wanted(begin) && is_last(std::string_view(begin, static_cast<std::size_t>(end - begin)));
        now.at_ = end + 1;
        if (!last) continue;
        *this = now;
        return true;
      }
    } while (now.look_ahead());
    *this = now;
    return false;
  }

  std::size_t consumed() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  static constexpr std::ptrdiff_t kBlockBytes = 64;

  /// Finds the LFs of the next bytes. @return false when there are no more bytes
  bool look_ahead() {
    if (ahead_ == end_) return false;
    block_ = ahead_;
    if (end_ - ahead_ >= kBlockBytes) [[likely]] {
      found_ = line_feeds(block_);
      ahead_ += kBlockBytes;
    } else {
      std::array<char, kBlockBytes> rest{};
      std::memcpy(rest.data(), ahead_, static_cast<std::size_t>(end_ - ahead_));
      found_ = line_feeds(rest.data());
      ahead_ = end_;
    }
    return true;
  }

  /// Bit n: is the n-th byte of a block a LF?
  static std::uint64_t line_feeds(const char* bytes) {
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8('\n');
    const auto of_quarter = [bytes, wanted](std::ptrdiff_t at) {
      const __m128i quarter = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at));
      return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(quarter, wanted)))} << at;
    };
    return of_quarter(0) | of_quarter(16) | of_quarter(32) | of_quarter(48);
#else
    std::uint64_t found = 0;
    for (std::ptrdiff_t at = 0; at < kBlockBytes; ++at) found |= std::uint64_t{bytes[at] == '\n'} << at;
    return found;
#endif
  }

  const char* begin_;
  const char* at_;               ///< of the next line
  const char* ahead_;            ///< not looked at yet
  const char* block_ = nullptr;  ///< of the bytes that were looked at last
  std::uint64_t found_ = 0;      ///< LFs of them that are not behind us
  const char* end_;
};

}  // namespace hoptap::decode::l7
