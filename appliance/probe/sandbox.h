// What the probe may ask of the kernel once it reads what strangers sent.
#pragma once

#include "base/result.h"

namespace hoptap::appliance {

/// From here on this thread, those it starts, and where the kernel can do so (TSYNC, kernel 3.17) all others get ENOSYS
/// for every system call but those on a list (seccomp(2)): none starts a program or another process, traces one,
/// mounts, loads code into the kernel, or opens sockets but IP, Unix, netlink and packet ones. For good, and also
/// without privileges: needs and sets no_new_privs.
/// @param loads_programs  bpf(2) too, for interfaces that are listened at by eBPF
/// @return false: this kernel has no filters of system calls, or the build watches itself by calls that are not listed
///         (sanitizers); fails when the kernel has some and would not take it
[[nodiscard]] base::Outcome<bool> enter_sandbox(bool loads_programs = false);

}  // namespace hoptap::appliance
