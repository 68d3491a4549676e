#include "export/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "export/json_value.h"

namespace hoptap::exporting {

std::string Canvas::paint(std::string_view text, Paint paint) const {
  if (!style_.colour || paint == Paint::kPlain || text.empty()) return std::string(text);
  constexpr std::array<std::string_view, 5> kCodes{"0", "1", "2", "1;31", "32"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(paint)], text);
}

std::string Canvas::arrows(std::string_view text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at, 2) == "->") {
      out += arrow();
      ++at;
    } else {
      out += text[at];
    }
  }
  return out;
}

std::string Canvas::bar(double share, std::size_t width) const {
  const double length = std::clamp(share, 0.0, 1.0) * static_cast<double>(width);
  std::string out;
  if (!style_.unicode) return std::string(static_cast<std::size_t>(std::lround(length)), '#');
  constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(std::lround(length * 8));
  for (std::size_t at = 0; at < eighths / 8; ++at) out += "█";
  out += kEighths[eighths % 8];
  return out;
}

std::string Canvas::wrap(std::string_view text, std::string_view indent) const {
  std::string out, line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && width(indent) + width(line) + 1 + width(word) > columns()) {
      out += std::string(indent) + line + "\n";
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  return line.empty() ? out : out + std::string(indent) + line + "\n";
}

std::size_t Canvas::columns() const { return std::max<std::size_t>(style_.columns, 60); }

std::size_t Canvas::width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::string Canvas::left(std::string_view text, std::size_t columns) {
  const std::size_t wide = width(text);
  return std::string(text) + std::string(columns > wide ? columns - wide : 0, ' ');
}

std::string Canvas::right(std::string_view text, std::size_t columns) {
  const std::size_t wide = width(text);
  return std::string(columns > wide ? columns - wide : 0, ' ') + std::string(text);
}

std::string Canvas::fit(std::string_view text, std::size_t columns) {
  if (width(text) <= columns || columns == 0) return std::string(text);
  std::string out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (begins && ++used == columns) break;
    out += text[at];
  }
  return out + "~";
}

std::string Canvas::printable(std::string_view text) {
  std::string out;
  for (const char byte : utf8(text)) {
    const auto code = static_cast<unsigned char>(byte);
    out += code < 0x20 || code == 0x7f ? '?' : byte;
  }
  return out;
}

std::string share_text(double share) {
  const double percent = share * 100;
  if (percent > 0 && percent < 0.5) return "<1 %";
  return fmt::format("{:.0f} %", std::abs(percent) < 0.5 ? 0.0 : percent);
}

std::string Canvas::table(const std::vector<std::vector<std::string>>& rows, std::size_t left_columns) const {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t at = 0; at < row.size(); ++at) widths[at] = std::max(widths[at], width(row[at]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t at = 0; at < row.size(); ++at) {
      line += at == 0 ? "" : "  ";
      line += at < left_columns ? left(row[at], widths[at]) : right(row[at], widths[at]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += (&row == rows.data() ? paint(line, Paint::kFaint) : line) + "\n";
  }
  return out;
}

std::string day_text(std::uint64_t time_ns) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(time_ns / kDayNs))};
  return fmt::format("{}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string clock_text(std::uint64_t time_ns) {
  const std::uint64_t ms = time_ns / 1'000'000 % 86'400'000;
  return fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

}  // namespace hoptap::exporting
