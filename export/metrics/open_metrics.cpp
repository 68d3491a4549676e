#include "export/metrics/open_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>

#include "export/json_value.h"

namespace hoptap::exporting {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return trimmed(taken);
}

/// The weight that the header gives the media type by name; negative: it does not name it.
double weight_of(std::string_view accept, std::string_view type) {
  double best = -1;
  while (!accept.empty()) {
    std::string_view range = take_until(accept, ',');
    if (take_until(range, ';') != type) continue;
    double weight = 1;
    while (!range.empty()) {
      const std::string_view parameter = take_until(range, ';');
      if (parameter.starts_with("q=")) weight = std::strtod(std::string(parameter.substr(2)).c_str(), nullptr);
    }
    best = std::max(best, weight);
  }
  return best;
}

/// As a label's value, or with `quotes` false as a family's help.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char character : utf8(text)) {
    if (character == '\n') {
      out += "\\n";
    } else if (character == '\\' || (quotes && character == '"')) {
      out += {'\\', character};
    } else {
      out += static_cast<unsigned char>(character) < 0x20 ? '?' : character;
    }
  }
  return out;
}

constexpr std::array<std::string_view, 4> kTypeNames{"counter", "gauge", "histogram", "summary"};

}  // namespace

MetricsFormat metrics_format(std::string_view accept) {
  const double open = weight_of(accept, "application/openmetrics-text");
  return open > 0 && open >= weight_of(accept, "text/plain") ? MetricsFormat::kOpenMetrics : MetricsFormat::kText;
}

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                               : "text/plain; version=0.0.4; charset=utf-8";
}

std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value, true));
  }
  return out;
}

std::string seconds_text(std::uint64_t ns) {
  std::string text = fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
  text.erase(std::max(text.find_last_not_of('0') + 1, text.find('.') + 2));  // "2.0" and "0.25"
  return text;
}

void MetricsWriter::family(std::string_view name, FamilyType type, std::string_view unit, std::string_view help) {
  name_ = name;
  type_ = type;
  unit_ = unit;
  help_ = help;
  begun_ = false;
}

void MetricsWriter::begin_family() {
  begun_ = true;
  const bool open = format_ == MetricsFormat::kOpenMetrics;
  const std::string name = fmt::format("{}{}", name_, !open && type_ == FamilyType::kCounter ? "_total" : "");
  const std::string_view type = kTypeNames[static_cast<std::size_t>(type_)];
  auto out = std::back_inserter(out_);
  fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, escaped(help_, open), name, type);
  if (open && !unit_.empty()) fmt::format_to(out, "# UNIT {} {}\n", name, unit_);
}

void MetricsWriter::sample(std::string_view suffix, std::string_view labels, std::string_view value) {
  if (!begun_) begin_family();
  const std::string_view open = labels.empty() ? "" : "{", close = labels.empty() ? "" : "}";
  fmt::format_to(std::back_inserter(out_), "{}{}{}{}{} {}\n", name_, suffix, open, labels, close, value);
}

void MetricsWriter::sample(std::string_view suffix, std::string_view labels, std::uint64_t value) {
  sample(suffix, labels, fmt::format_int(value).c_str());
}

std::string MetricsWriter::finish() {
  if (format_ == MetricsFormat::kOpenMetrics) out_ += "# EOF\n";
  return std::move(out_);
}

}  // namespace hoptap::exporting
