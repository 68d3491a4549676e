// What hoptap doctor finds. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hoptap::appliance {

enum class Severity : std::uint8_t {
  kGood,
  kNote,     ///< works, with a limit worth knowing
  kTrouble,  ///< does not work as it is
};

struct Finding {
  std::string topic;  ///< "kernel", "ring", "eth0"
  Severity severity = Severity::kGood;
  std::string text;  ///< a sentence
  std::string fix;   ///< what to do; "" when there is nothing
};

using Findings = std::vector<Finding>;

/// Lines for the person, worst marked.
std::string findings_text(const Findings& findings);

/// One JSON object a line: {"type":"finding","topic":...,"severity":"good|note|trouble","text":...,"fix":...}.
std::string findings_json(const Findings& findings);

bool has_trouble(const Findings& findings);

}  // namespace hoptap::appliance
