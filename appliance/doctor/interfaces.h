// What the interfaces of this network namespace are like for capture. Asks the kernel; changes nothing. One thread.
#pragma once

#include <string>
#include <vector>

#include "appliance/doctor/finding.h"

namespace hoptap::appliance {

/// Those there are, but for loopback.
std::vector<std::string> interface_names();

/// Up or down, driver, offloads that change what is seen (ethtool(8)), the NIC's receive ring.
Finding interface_finding(const std::string& name);

}  // namespace hoptap::appliance
