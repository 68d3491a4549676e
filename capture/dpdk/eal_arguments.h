// The arguments that DPDK's EAL is started with. Private to capture/; no DPDK in it. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "capture/dpdk/dpdk.h"

namespace hoptap::capture {

/// What of the host they depend on.
struct EalHost {
  std::uint64_t free_hugepages_mib = 0;
  unsigned cpu = 0;  ///< one that this thread may run on
  long process = 0;
};

/// The memory for packets that so many queues need, with what DPDK takes itself.
std::uint32_t dpdk_memory_mib(const DpdkConfig& config, std::span<const DpdkPort> ports);

/// The program's name first. Ours, as far as the person did not say otherwise: no telemetry, one core (our threads are
/// our own), only the devices that are wanted, and memory as there is.
std::vector<std::string> eal_arguments(const DpdkConfig& config, std::span<const DpdkPort> ports, const EalHost& host);

}  // namespace hoptap::capture
