#include "appliance/doctor/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

namespace hoptap::appliance {
namespace {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kGood: return "good";
    case Severity::kNote: return "note";
    case Severity::kTrouble: return "trouble";
  }
  return "";
}

}  // namespace

std::string findings_text(const Findings& findings) {
  std::size_t width = 0;
  for (const Finding& one : findings) width = std::max(width, one.topic.size());
  std::string text;
  for (const Finding& one : findings) {
    const std::string_view mark = one.severity == Severity::kGood   ? "ok  "
                                  : one.severity == Severity::kNote ? "note"
                                                                    : "BAD ";
    text += fmt::format("{}  {:<{}}  {}\n", mark, one.topic, width, one.text);
    if (!one.fix.empty()) text += fmt::format("      {:<{}}  -> {}\n", "", width, one.fix);
  }
  return text;
}

std::string findings_json(const Findings& findings) {
  std::string text;
  for (const Finding& one : findings)
    text += boost::json::serialize(boost::json::object{{"type", "finding"},
                                                       {"topic", one.topic},
                                                       {"severity", name_of(one.severity)},
                                                       {"text", one.text},
                                                       {"fix", one.fix}}) +
            '\n';
  return text;
}

bool has_trouble(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& one) { return one.severity == Severity::kTrouble; });
}

}  // namespace hoptap::appliance
