// Reads and checks scenario files. Any thread; what is read owns its text.
#pragma once

#include <string>
#include <string_view>

#include "appliance/forge/scenario.h"
#include "base/result.h"

namespace hoptap::forge {

/// Reads a scenario from YAML text. On bad input says "FILE:LINE: what is wrong and how to mend it".
[[nodiscard]] base::Outcome<Scenario> read_scenario(const std::string& text, std::string_view file);

/// A commented scenario to start with.
std::string_view example_scenario();

}  // namespace hoptap::forge
