#include "appliance/yaml/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace hoptap::appliance {
namespace {

/// Levenshtein's distance.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

std::size_t shared_start(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::string range_text(Range range) {
  if (range.high >= 1e15) return fmt::format("at least {}", range.low);
  return fmt::format("between {} and {}", range.low, range.high);
}

}  // namespace

/// Complaints quote the file, which may hold anything.
base::Failure yaml_failure(std::string_view file, int line, std::string_view what) {
  constexpr std::size_t kLengthMax = 400;
  std::string text = line > 0 ? fmt::format("{}:{}: {}", file, line, what) : fmt::format("{}: {}", file, what);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  if (text.size() > kLengthMax) text.replace(kLengthMax, std::string::npos, "...");
  return {text};
}

int line_of(const YAML::Node& node) { return node.Mark().line < 0 ? 0 : node.Mark().line + 1; }

std::string nearest(std::string_view word, const std::vector<std::string_view>& words) {
  constexpr std::size_t kWordMin = 3;
  for (const std::string_view candidate : words)
    if (word.size() >= kWordMin && candidate.starts_with(word)) return std::string(candidate);
  std::string_view best;
  std::size_t best_edits = word.size() / 2 + 2;
  for (const std::string_view candidate : words) {
    // Words that begin alike are often the same thing in another unit: delay_ms, delay_us.
    const std::size_t bonus = shared_start(word, candidate) >= 4 ? 1 : 0;
    const std::size_t count = edits(word, candidate) * 2 - std::min(bonus, edits(word, candidate));
    if (count >= best_edits * 2 || count / 2 > std::max(word.size(), candidate.size()) / 2) continue;
    best = candidate;
    best_edits = (count + 1) / 2;
  }
  return std::string(best);
}

Section::Section(const YAML::Node& node, std::string what, std::vector<std::string_view> keys)
    : what_(std::move(what)), line_(line_of(node)) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsMap())
    throw YamlError(line_, fmt::format("{} is written as a map of keys and values: {}", what_, fmt::join(keys, ", ")));
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const int line = line_of(entry.first);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const std::string meant = nearest(key, keys);
      const std::string advice = !meant.empty() ? "did you mean " + meant + "?"
                                 : keys.empty() ? std::string("it has none")
                                                : fmt::format("it has {}", fmt::join(keys, ", "));
      throw YamlError(line, fmt::format("'{}' is not a key of {}; {}", key, what_, advice));
    }
    if (has(key)) throw YamlError(line, fmt::format("'{}' stands twice in {}; keep one", key, what_));
    values_.emplace_back(key, entry.second);
  }
}

bool Section::has(std::string_view key) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& value) { return value.first == key; });
}

YAML::Node Section::find(std::string_view key) const {
  for (const auto& [name, value] : values_)
    if (name == key) return value;
  return YAML::Node(YAML::NodeType::Undefined);
}

YAML::Node Section::need(std::string_view key) const {
  if (!has(key)) throw YamlError(line_, fmt::format("{} needs '{}'", what_, key));
  return find(key);
}

void Section::fail(std::string_view key, const std::string& why) const {
  throw YamlError(has(key) ? line_of(find(key)) : line_, fmt::format("{} of {} {}", key, what_, why));
}

double Section::number(std::string_view key, double otherwise, Range range) const {
  return has(key) ? read_number(find(key), fmt::format("{} of {}", key, what_), range) : otherwise;
}

std::uint64_t Section::integer(std::string_view key, std::uint64_t otherwise, Range range) const {
  if (!has(key)) return otherwise;
  const double value = number(key, 0, range);
  if (value != std::floor(value)) fail(key, "is a whole number");
  return static_cast<std::uint64_t>(value);
}

bool Section::flag(std::string_view key, bool otherwise) const {
  return choice(key, otherwise ? 1 : 0, {"false", "true"}) == 1;
}

std::string Section::text(std::string_view key, std::string_view otherwise) const {
  if (!has(key)) return std::string(otherwise);
  if (!find(key).IsScalar()) fail(key, "is one word");
  return find(key).Scalar();
}

std::size_t Section::choice(std::string_view key, std::size_t otherwise,
                            const std::vector<std::string_view>& choices) const {
  if (!has(key)) return otherwise;
  const std::string word = text(key, "");
  const auto found = std::find(choices.begin(), choices.end(), word);
  if (found == choices.end()) fail(key, fmt::format("is '{}', not one of {}", word, fmt::join(choices, ", ")));
  return static_cast<std::size_t>(found - choices.begin());
}

double read_number(const YAML::Node& node, std::string_view what, Range range) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    throw YamlError(line_of(node), fmt::format("{} is '{}', not a number", what, text));
  if (value < range.low || value > range.high)
    throw YamlError(line_of(node), fmt::format("{} is {}; it must be {}", what, text, range_text(range)));
  return value;
}

}  // namespace hoptap::appliance
