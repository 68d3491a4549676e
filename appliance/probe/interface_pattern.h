// Names of interfaces that stand for many: "veth*", "@veth", "*/eth0".
#pragma once

#include <string>
#include <vector>

#include "appliance/probe/live_input.h"

namespace hoptap::appliance {

/// Of each interface, unless told otherwise: blocks of 1 MiB.
inline constexpr std::uint32_t kPatternRingMib = 8;

/// Has the name of the interface or of its namespace a *, ? or [ (glob(7)), or is it "@" and a driver?
bool is_pattern(const LiveInput& input);

/// Those that match now, each as an input of its own, named after itself behind the pattern's name (if that has one of
/// its own). Loopback never does; a namespace with two names counts once. `refused`: namespaces that could not be
/// entered, for want of CAP_SYS_ADMIN.
std::vector<LiveInput> matching(const LiveInput& pattern, std::vector<base::Failure>& refused);

/// "pod-a/eth0", as a person would write it.
std::string place_text(const LiveInput& input);

}  // namespace hoptap::appliance
