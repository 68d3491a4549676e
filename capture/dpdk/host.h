// What this host has for DPDK, from files beneath /sys; with or without DPDK in the build. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hoptap::capture {

struct HugePages {
  std::uint64_t total_mib = 0;
  std::uint64_t free_mib = 0;
};

/// Of all sizes. `sys` is where sysfs is.
HugePages look_at_hugepages(const std::string& sys = "/sys");

/// PCI addresses of the devices that were given to a driver for user space: "0000:03:00.0 (vfio-pci)".
std::vector<std::string> user_space_devices(const std::string& sys = "/sys");

/// Is it a PCI address, with or without a domain: "0000:03:00.0", "03:00.0"?
bool is_pci_address(const std::string& name);

}  // namespace hoptap::capture
