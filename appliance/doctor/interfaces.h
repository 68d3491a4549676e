// What the interfaces of this network namespace are like for capture. Asks the kernel; changes nothing. One thread.
#pragma once

#include <string>

#include "appliance/doctor/finding.h"

namespace hoptap::appliance {

/// Up or down, driver, offloads that change what is seen (ethtool(8)), the NIC's receive ring.
Finding interface_finding(const std::string& name, const std::string& network_namespace = "");

}  // namespace hoptap::appliance
