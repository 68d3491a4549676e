// Reads the faults of a scenario.
#include <fmt/format.h>

#include <array>

#include "appliance/forge/scenario_parts.h"

namespace hoptap::forge {
namespace {

/// The keys that a kind has beside kind and share, in the order of FaultKind.
struct Keys {
  std::string_view kind;
  bool segment;
  bool add;
  bool closed_for;
};
constexpr std::array kKinds{
    Keys{"delay", true, true, false},          Keys{"lose_request", true, false, false},
    Keys{"lose_response", true, false, false}, Keys{"lose_ack", true, false, false},
    Keys{"server_slow", false, true, false},   Keys{"zero_window", false, false, true},
    Keys{"reset", false, false, false},
};

void read_segment(const Section& section, FaultPlan& fault) {
  const YAML::Node ends = section.need("segment");
  if (!ends.IsSequence() || ends.size() != 2 || !ends[0].IsScalar() || !ends[1].IsScalar())
    section.fail("segment", "is two points: [A, B], A nearer the client");
  fault.from = ends[0].Scalar();
  fault.to = ends[1].Scalar();
}

FaultPlan read_fault(const YAML::Node& node) {
  std::vector<std::string_view> names;
  names.reserve(kKinds.size());
  for (const Keys& keys : kKinds) names.push_back(keys.kind);
  const Section any(node, "a fault", {"kind", "share", "segment", "add_us", "direction", "for_us", "by"});
  any.need("kind");
  const std::size_t which = any.choice("kind", 0, names);
  FaultPlan fault{.line = any.line(), .kind = static_cast<FaultKind>(which), .from = {}, .to = {}};
  const Keys& keys = kKinds[which];
  std::vector<std::string_view> allowed{"kind", "share"};
  if (keys.segment || fault.kind == FaultKind::kReset) allowed.push_back("segment");
  if (keys.add) allowed.push_back("add_us");
  if (keys.closed_for) allowed.push_back("for_us");
  if (fault.kind == FaultKind::kDelay) allowed.push_back("direction");
  if (fault.kind == FaultKind::kReset || keys.closed_for) allowed.push_back("by");
  const Section section(node, fmt::format("the fault {}", keys.kind), allowed);

  constexpr Range kMicroseconds{0, 6e7};
  fault.share = section.number("share", fault.share, {0, 1});
  if (keys.add) section.need("add_us");
  if (keys.closed_for) section.need("for_us");
  fault.add = static_cast<Time>(section.number("add_us", 0, kMicroseconds) * kMicrosecond);
  fault.closed_for = static_cast<Time>(section.number("for_us", 0, kMicroseconds) * kMicrosecond);
  fault.on_response = section.choice("direction", 0, {"request", "response"}) == 1;
  if (fault.kind == FaultKind::kZeroWindow)
    fault.by = section.choice("by", 0, {"client", "server"}) == 0 ? Culprit::kClient : Culprit::kServer;
  if (fault.kind == FaultKind::kReset) {
    section.need("by");
    constexpr std::array kWho{Culprit::kClient, Culprit::kServer, Culprit::kMiddlebox};
    fault.by = kWho[section.choice("by", 0, {"client", "server", "middlebox"})];
    if (fault.by != Culprit::kMiddlebox && section.has("segment"))
      section.fail("segment", "goes with by: middlebox only");
  }
  if (keys.segment || fault.by == Culprit::kMiddlebox) read_segment(section, fault);
  return fault;
}

}  // namespace

std::vector<FaultPlan> read_faults(const YAML::Node& node) {
  std::vector<FaultPlan> faults;
  if (!node.IsDefined() || node.IsNull()) return faults;
  if (!node.IsSequence()) throw YamlError(line_of(node), "faults is a list, such as '- kind: delay'");
  double share = 0;
  for (const auto& each : node) {
    faults.push_back(read_fault(each));
    share += faults.back().share;
    constexpr double kWhole = 1 + 1e-9;
    if (share > kWhole)
      throw YamlError(faults.back().line,
                      "the shares of the faults add up to more than 1, and no request is hit "
                      "twice; lower them (a share is 0.25 unless given)");
  }
  return faults;
}

}  // namespace hoptap::forge
