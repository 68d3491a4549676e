#include "appliance/forge/scenario_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "appliance/forge/scenario_parts.h"

namespace hoptap::forge {
namespace {

std::string read_name(const Section& top) {
  std::string name = top.need("name").IsScalar() ? top.text("name", "") : "";
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  constexpr std::size_t kNameMax = 40;
  if (name.empty() || name.size() > kNameMax || name[0] < 'a' || name[0] > 'z' ||
      !std::all_of(name.begin(), name.end(), fits))
    top.fail("name", "is small letters, digits and '-', begins with a letter and has at most 40 characters");
  return name;
}

Scenario read(const YAML::Node& root) {
  const Section top(root, "a scenario", {"name", "seed", "traffic", "path", "faults"});
  Scenario scenario;
  scenario.name = read_name(top);
  scenario.seed = top.integer("seed", 1, {0, 9e15});
  scenario.traffic = read_traffic(top.need("traffic"));
  scenario.path = read_path(top.need("path"));
  scenario.faults = read_faults(top.find("faults"));
  return scenario;
}

}  // namespace

base::Outcome<Scenario> read_scenario(const std::string& text, std::string_view file) {
  return appliance::read_yaml(text, file, read);
}

}  // namespace hoptap::forge
