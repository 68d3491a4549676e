// Fits the limits of a probe into the memory that it may take.
#pragma once

#include "appliance/probe/config.h"
#include "base/result.h"

namespace hoptap::appliance {

/// The most that the probe takes, about: rings, flow tables and waiting records of all workers or captures, and itself.
std::uint64_t memory_max(const ProbeConfig& config);

/// Cuts every limit by the same part until the whole stays below config.memory_bytes_max; does nothing when that is 0
/// or all fits. Fails when nothing of use would be left, and says what could be done. Call it once.
[[nodiscard]] base::Outcome<void> fit_into_memory(ProbeConfig& config);

}  // namespace hoptap::appliance
