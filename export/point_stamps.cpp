#include "export/point_stamps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace hoptap::exporting {
namespace {

/// Takes what stands before the next `separator`, which goes too.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && at == text.data() + text.size();
}

std::string unit_text(std::uint32_t unit_ns) {
  if (unit_ns % 1'000'000 == 0) return fmt::format("{} ms", unit_ns / 1'000'000);
  return unit_ns % 1000 == 0 ? fmt::format("{} us", unit_ns / 1000) : fmt::format("{} ns", unit_ns);
}

}  // namespace

std::string stamps_text(std::span<const PointStamp> stamps) {
  if (stamps.empty()) return "-";
  std::uint64_t all = 0;
  bool all_known = stamps.size() > 1;
  for (const PointStamp& one : stamps) {
    all += one.packets;
    all_known = all_known && one.packets > 0;
  }
  std::string text;
  for (const PointStamp& one : stamps) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", one.by);
    if (one.unit_ns > 0) text += " " + unit_text(one.unit_ns);
    if (all_known) text += fmt::format(" {:.3g} %", 100 * static_cast<double>(one.packets) / static_cast<double>(all));
  }
  return text;
}

std::string stamps_line(std::span<const PointStamp> stamps) {
  std::string line;
  for (const PointStamp& one : stamps) {
    std::string by = one.by;
    std::replace_if(
        by.begin(), by.end(), [](char c) { return c == ' ' || c == ','; }, '_');
    line += fmt::format("{}{} {} {}", line.empty() ? "" : ",", by, one.unit_ns, one.packets);
  }
  return line;
}

std::vector<PointStamp> read_stamps(std::string_view line) {
  std::vector<PointStamp> stamps;
  while (!line.empty()) {
    std::string_view one = take(line, ',');
    PointStamp stamp{.by = std::string(take(one, ' ')), .unit_ns = 0, .packets = 0};
    if (read(take(one, ' '), stamp.unit_ns) && read(one, stamp.packets)) stamps.push_back(std::move(stamp));
  }
  return stamps;
}

}  // namespace hoptap::exporting
