// The lines of text protocols. Private to decode/l7/.
#pragma once

#include <bit>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hoptap::decode::l7 {

/// The first LF of [at, end); `end` when there is none. Lines are short: a call of memchr() would cost more than they
/// do.
inline const char* line_end(const char* at, const char* end) {
#if defined(__SSE2__)
  for (const __m128i wanted = _mm_set1_epi8('\n'); end - at >= 16; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));
    if (found != 0) return at + std::countr_zero(static_cast<unsigned>(found));
  }
#endif
  const void* const found = at == end ? nullptr : std::memchr(at, '\n', static_cast<std::size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

/// Takes lines off a stream; a line ends with LF, a CR before it is dropped (RFC 9112 section 2.2).
class Lines {
 public:
  explicit Lines(base::Bytes stream)
      : begin_(base::as_text(stream).data()), at_(begin_), end_(begin_ + static_cast<std::ptrdiff_t>(stream.size())) {}

  /// The next line without its end, or nothing when no whole line is there.
  std::optional<std::string_view> next() {
    const char* const begin = at_;
    const char* end = line_end(begin, end_);
    if (end == end_) return std::nullopt;
    at_ = end + 1;
    if (end != begin && end[-1] == '\r') --end;
    return std::string_view(begin, static_cast<std::size_t>(end - begin));
  }
  std::size_t consumed() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace hoptap::decode::l7
