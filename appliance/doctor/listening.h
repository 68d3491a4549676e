// What the traffic at some interfaces is like, by listening for a while: rates, drops, whether both directions of
// connections are there, whether packets come twice.
#pragma once

#include <functional>
#include <vector>

#include "appliance/doctor/finding.h"
#include "appliance/probe/live_input.h"
#include "base/result.h"

namespace hoptap::appliance {

/// Listens so long, or until `wanted` says no. Gives up privileges (LiveCapture). Fails when an interface cannot be
/// opened.
[[nodiscard]] base::Outcome<Findings> listen_findings(const std::vector<LiveInput>& inputs, double seconds,
                                                      const std::function<bool()>& wanted);

}  // namespace hoptap::appliance
