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

/// Complaints quote the scenario, which may hold anything.
std::string one_line(std::string text) {
  constexpr std::size_t kLengthMax = 400;
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  if (text.size() > kLengthMax) text.replace(kLengthMax, std::string::npos, "...");
  return text;
}

}  // namespace

base::Outcome<Scenario> read_scenario(const std::string& text, std::string_view file) {
  const auto failure = [&](int line, std::string_view what) {
    const std::string place = line > 0 ? fmt::format("{}:{}", file, line) : std::string(file);
    return tl::unexpected(base::Failure{one_line(fmt::format("{}: {}", place, what))});
  };
  try {
    return read(YAML::Load(text));
  } catch (const ScenarioError& error) {
    return failure(error.line(), error.what());
  } catch (const YAML::Exception& error) {
    return failure(error.mark.line < 0 ? 0 : error.mark.line + 1, "is not YAML: " + error.msg);
  }
}

}  // namespace hoptap::forge
