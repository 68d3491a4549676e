// The lines of text protocols. Private to decode/l7/.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hoptap::decode::l7 {

/// Takes lines off a stream; a line ends with LF, a CR before it is dropped (RFC 9112 section 2.2). LFs are looked for
/// 32 bytes at a time and each byte once: lines are short, a call of memchr() for each would cost more than they do.
class Lines {
 public:
  explicit Lines(base::Bytes stream)
      : begin_(base::as_text(stream).data()), at_(begin_), ahead_(begin_), end_(begin_ + stream.size()) {}

  /// The next line with its CR but not its LF, or nothing when no whole line is there.
  std::optional<std::string_view> next_raw() {
    while (found_ == 0)
      if (!look_ahead()) return std::nullopt;
    const char* const begin = at_;
    const char* const end = block_ + std::countr_zero(found_);
    found_ &= found_ - 1;
    at_ = end + 1;
    return std::string_view(begin, static_cast<std::size_t>(end - begin));
  }

  static std::string_view without_cr(std::string_view raw) {
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    return raw;
  }

  /// The next line without its end, or nothing when no whole line is there.
  std::optional<std::string_view> next() {
    const auto raw = next_raw();
    return raw ? std::optional(without_cr(*raw)) : std::nullopt;
  }
  std::size_t consumed() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  static constexpr std::ptrdiff_t kBlockBytes = 32;

  /// Finds the LFs of the next bytes. @return false when there are no more bytes
  bool look_ahead() {
    if (end_ - ahead_ >= kBlockBytes) [[likely]] {
      block_ = ahead_;
      found_ = line_feeds(block_);
      ahead_ += kBlockBytes;
      return true;
    }
    return look_at_rest();
  }
  bool look_at_rest() {
    const bool more = ahead_ != end_;
    if (end_ - begin_ >= kBlockBytes) {  // the last block overlaps the one before
      block_ = end_ - kBlockBytes;
      found_ = more ? line_feeds(block_) & ~std::uint32_t{0} << (ahead_ - block_) : 0;
    } else {
      block_ = ahead_;
      for (std::ptrdiff_t at = 0; at < end_ - block_; ++at) found_ |= (block_[at] == '\n' ? 1u : 0u) << at;
    }
    ahead_ = end_;
    return more;
  }

  /// Bit n: is the n-th byte of a block a LF?
  static std::uint32_t line_feeds(const char* bytes) {
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8('\n');
    const auto of_half = [wanted](const char* half) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(half));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
    };
    return of_half(bytes) | of_half(bytes + kBlockBytes / 2) << kBlockBytes / 2;
#else
    std::uint32_t found = 0;
    for (std::ptrdiff_t at = 0; at < kBlockBytes; ++at) found |= (bytes[at] == '\n' ? 1u : 0u) << at;
    return found;
#endif
  }

  const char* begin_;
  const char* at_;               ///< of the next line
  const char* ahead_;            ///< not looked at yet
  const char* block_ = nullptr;  ///< of the bytes that were looked at last
  std::uint32_t found_ = 0;      ///< LFs of them that are not behind us
  const char* end_;
};

}  // namespace hoptap::decode::l7
