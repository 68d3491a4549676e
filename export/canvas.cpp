#include "export/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

}  // namespace hoptap::exporting
