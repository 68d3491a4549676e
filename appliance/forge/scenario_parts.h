// The parts that a scenario is read from; each throws YamlError. Private to the forge; one thread.
#pragma once

#include "appliance/forge/scenario.h"
#include "appliance/yaml/section.h"

namespace hoptap::forge {

using appliance::line_of;
using appliance::nearest;
using appliance::Range;
using appliance::read_number;
using appliance::Section;
using appliance::YamlError;

Distribution read_distribution(const Section& section, std::string_view key, const Distribution& otherwise);
TrafficPlan read_traffic(const YAML::Node& node);
std::vector<ElementPlan> read_path(const YAML::Node& node);
std::vector<FaultPlan> read_faults(const YAML::Node& node);

}  // namespace hoptap::forge
