// What the host has for DPDK. Reads files; takes no device. One thread.
#pragma once

#include "appliance/doctor/finding.h"

namespace hoptap::appliance {

/// Whether DPDK is built in, how much memory in hugepages there is, and which devices were given to it.
Finding dpdk_finding();

}  // namespace hoptap::appliance
