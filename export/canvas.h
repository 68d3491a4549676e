// The few means of drawing that the terminal output is made of. Private to export/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "export/text.h"

namespace hoptap::exporting {

enum class Paint : std::uint8_t { kPlain, kStrong, kFaint, kBad, kGood };

/// Characters in either alphabet, colour if asked for, and text fitted to columns.
class Canvas {
 public:
  explicit Canvas(const TextStyle& style) : style_(style) {}

  std::string paint(std::string_view text, Paint paint) const;
  std::string_view pick(std::string_view unicode, std::string_view ascii) const {
    return style_.unicode ? unicode : ascii;
  }
  std::string_view arrow() const { return pick("→", "->"); }
  /// "pod-a -> pod-b" with this alphabet's arrow for every "->".
  std::string arrows(std::string_view text) const;
  /// A bar of up to `width` columns, an eighth of a column fine in Unicode.
  std::string bar(double share, std::size_t width) const;
  /// Lines of at most the style's columns, each begun with `indent` and ended with a line break; breaks at spaces.
  std::string wrap(std::string_view text, std::string_view indent) const;
  std::size_t columns() const;
  /// Columns as wide as their widest cell; the first ones to the left, the others to the right. The first row is the
  /// heading.
  std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t left_columns) const;

  static std::size_t width(std::string_view text);  ///< columns, counting each UTF-8 character as one
  static std::string left(std::string_view text, std::size_t columns);  ///< filled up; never cut
  static std::string right(std::string_view text, std::size_t columns);
  static std::string fit(std::string_view text, std::size_t columns);  ///< cut with "~" when too long
  /// Without control characters: wire text must not drive the terminal.
  static std::string printable(std::string_view text);

 private:
  TextStyle style_;
};

inline constexpr std::uint64_t kDayNs = 86'400'000'000'000;
std::string day_text(std::uint64_t time_ns);    ///< "2026-01-31", UTC
std::string clock_text(std::uint64_t time_ns);  ///< "14:02:00.123"

/// "98 %", "<1 %".
std::string share_text(double share);

}  // namespace hoptap::exporting
