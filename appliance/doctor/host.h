// What the host can do for capture. Asks the kernel; changes nothing. One thread.
#pragma once

#include "appliance/doctor/finding.h"

namespace hoptap::appliance {

/// The kernel's release, as far as capture depends on it.
Finding kernel_finding();

/// Capabilities that live capture needs or can use (capabilities(7)).
Findings privilege_findings();

/// Can a probe shut itself in (probe/sandbox.h)?
Finding sandbox_finding();

/// The ways packets can come in: each is tried where that changes nothing, on the loopback interface.
Findings capture_findings();

/// Whether eBPF is built in, works here, and what it would be used for. Loads its programs, attaches them to nothing.
Finding ebpf_finding();

/// How a probe would find the processes at the ends of connections (processes/finder.h). Attaches nothing.
Finding processes_finding();

/// Who keeps the clock right, and how far off it may be (adjtimex(2)).
Finding clock_finding();

/// Memory for rings and flows.
Finding memory_finding();

}  // namespace hoptap::appliance
