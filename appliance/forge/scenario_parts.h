// The parts that a scenario is read from; each throws ScenarioError. Private to the forge; one thread.
#pragma once

#include "appliance/forge/scenario.h"
#include "appliance/forge/yaml_section.h"

namespace hoptap::forge {

Distribution read_distribution(const Section& section, std::string_view key, const Distribution& otherwise);
TrafficPlan read_traffic(const YAML::Node& node);
std::vector<ElementPlan> read_path(const YAML::Node& node);
std::vector<FaultPlan> read_faults(const YAML::Node& node);

}  // namespace hoptap::forge
