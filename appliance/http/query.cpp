#include "appliance/http/query.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

namespace hoptap::appliance {
namespace {

std::optional<unsigned> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  const char lower = static_cast<char>(digit | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a') + 10;
  return std::nullopt;
}

/// Nothing of a broken % sequence.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[at] != '%') {
      out += text[at];
    } else {
      if (at + 2 >= text.size()) return std::nullopt;
      const auto high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
      if (!high || !low) return std::nullopt;
      out += static_cast<char>(*high << 4 | *low);
      at += 2;
    }
  }
  return out;
}

/// All of `text` as a decimal number.
std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes `count` digits and the character behind them off the front; '\0': there need be none.
std::optional<unsigned> take_digits(std::string_view& text, std::size_t count, std::string_view behind) {
  const std::optional<std::uint64_t> value = read_number(text.substr(0, count));
  if (!value || text.size() < count + (behind.empty() ? 0 : 1) || text[0] == '+' || text[0] == '-') return std::nullopt;
  if (!behind.empty() && behind.find(text[count]) == std::string_view::npos) return std::nullopt;
  text.remove_prefix(count + (behind.empty() ? 0 : 1));
  return static_cast<unsigned>(*value);
}

/// ".123" as ns; digits beyond the ninth do not count.
std::uint64_t take_fraction(std::string_view& text) {
  if (text.empty() || text.front() != '.') return 0;
  text.remove_prefix(1);
  std::uint64_t value = 0, unit = 100'000'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    value += static_cast<std::uint64_t>(text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return value;
}

/// "Z", "+02:00", "-05:30"; a plus that a form turned into a space is meant too.
std::optional<std::chrono::seconds> read_zone(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::seconds(0);
  if (text.size() != 6 || std::string_view("+- ").find(text[0]) == std::string_view::npos) return std::nullopt;
  const bool west = text[0] == '-';
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2, ":"), minutes = take_digits(text, 2, "");
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::seconds ahead = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return west ? -ahead : ahead;
}

/// RFC 3339 section 5.6.
std::optional<std::uint64_t> read_date(std::string_view text) {
  const auto year = take_digits(text, 4, "-"), month = take_digits(text, 2, "-"), day = take_digits(text, 2, "Tt ");
  const auto hour = take_digits(text, 2, ":"), minute = take_digits(text, 2, ":"), second = take_digits(text, 2, "");
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::uint64_t fraction_ns = take_fraction(text);
  const auto zone = read_zone(text);
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!zone || !date.ok() || *hour > 23 || *minute > 59 || *second > 60 || *year < 1970 || *year > 2261)
    return std::nullopt;
  const auto time = std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
                    std::chrono::minutes(*minute) + std::chrono::seconds(*second) - *zone;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (seconds < 0) return std::nullopt;
  return static_cast<std::uint64_t>(seconds) * 1'000'000'000 + fraction_ns;
}

}  // namespace

Target read_target(std::string_view text) {
  Target target;
  for (const char character : text)
    target.good = target.good && static_cast<unsigned char>(character) > 0x20 && character != 0x7f;
  const std::size_t question = text.find('?');
  std::optional<std::string> path = decoded(text.substr(0, question), false);
  target.good = target.good && path && !path->empty() && path->front() == '/';
  target.path = path.value_or("");
  if (question == std::string_view::npos) return target;
  std::string_view rest = text.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    std::optional<std::string> name = decoded(one.substr(0, equals), true);
    std::optional<std::string> value = decoded(equals == std::string_view::npos ? "" : one.substr(equals + 1), true);
    target.good = target.good && name && value;
    target.parameters.emplace_back(name.value_or(""), value.value_or(""));
  }
  return target;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       std::string_view("-._~").find(character) != std::string_view::npos;
    out += plain ? std::string(1, character) : fmt::format("%{:02X}", byte);
  }
  return out;
}

std::optional<std::int64_t> read_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> kUnits{
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (text.empty() || error != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, ns] : kUnits) {
    if (unit == name && value * ns < 9.2e18) return std::llround(value * ns);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_time(std::string_view text, std::uint64_t now_ns) {
  if (text == "now") return now_ns;
  if (!text.empty() && text.front() == '-') {
    const std::optional<std::int64_t> ago = read_duration(text.substr(1));
    if (!ago) return std::nullopt;
    return now_ns - std::min(now_ns, static_cast<std::uint64_t>(*ago));
  }
  if (const std::optional<std::uint64_t> ns = read_number(text)) return ns;
  return read_date(text);
}

std::optional<std::uint64_t> read_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || text.size() > 16 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [known, value] : target_.parameters) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Query::complain(std::string_view parameter, std::string message) {
  if (!complaint_) complaint_ = Complaint{std::string(parameter), std::move(message)};
}

void Query::check_names(const std::vector<std::string_view>& known) {
  for (const auto& [name, value] : target_.parameters) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      complain(name, known.empty() ? "nothing can be asked here; leave it out"
                                   : fmt::format("there is no such parameter; there are {}", fmt::join(known, ", ")));
    }
    if (find(name) != &value) complain(name, "it is there twice; give it once");
  }
}

std::optional<std::string> Query::text(std::string_view name) {
  const std::string* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->empty()) return *value;
  complain(name, "it is empty; give a value or leave it out");
  return std::nullopt;
}

std::optional<std::uint64_t> Query::time(std::string_view name) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<std::uint64_t> time = read_time(*value, now_ns_);
  if (!time) complain(name, "write 2026-01-31T14:02:00Z, nanoseconds since 1970, or a time before now such as -15m");
  return time;
}

std::optional<std::int64_t> Query::duration(std::string_view name) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<std::int64_t> duration = read_duration(*value);
  if (!duration) complain(name, "write a number with its unit (ns, us, ms, s, m, h, d), such as 250ms");
  return duration;
}

std::optional<std::uint64_t> Query::number(std::string_view name, std::uint64_t min, std::uint64_t max) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<std::uint64_t> number = read_number(*value);
  if (number && *number >= min && *number <= max) return number;
  complain(name, fmt::format("write a number from {} to {}", min, max));
  return std::nullopt;
}

std::optional<bool> Query::flag(std::string_view name) {
  const std::optional<std::size_t> index = choice(name, {"0", "1", "false", "true"});
  if (!index) return std::nullopt;
  return *index % 2 == 1;
}

std::optional<std::pair<std::string, std::string>> Query::segment(std::string_view name) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::size_t dots = value->find("..");
  if (dots != std::string::npos && dots > 0 && dots + 2 < value->size()) {
    return std::pair(value->substr(0, dots), value->substr(dots + 2));
  }
  complain(name, "write two points with two dots between, client side first: tor-a..node-7");
  return std::nullopt;
}

std::optional<std::size_t> Query::choice(std::string_view name, const std::vector<std::string_view>& values) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  for (std::size_t at = 0; at < values.size(); ++at) {
    if (values[at] == *value) return at;
  }
  complain(name, fmt::format("write one of {}", fmt::join(values, ", ")));
  return std::nullopt;
}

}  // namespace hoptap::appliance
