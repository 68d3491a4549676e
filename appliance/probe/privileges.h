// What the probe may do once it listens.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace hoptap::appliance {

/// Gives up, for this thread and those that it starts from now on, every privilege but CAP_NET_RAW (to listen again
/// when an interface comes back), with `enters_namespaces` CAP_SYS_ADMIN (to go where those are; capabilities(7)), and
/// with `attaches_programs` CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (to attach an eBPF program again, and take it away
/// at the end); and for good that a program it might start could have more (PR_SET_NO_NEW_PRIVS). Files stay open to
/// whom they belong. What it does not have it cannot lose: without any it succeeds.
[[nodiscard]] base::Outcome<void> drop_privileges(bool enters_namespaces, bool attaches_programs = false);

/// Gives up for good all but those of these that it has, for this thread and those that it starts from now on. A sum of
/// 1 << CAP_... (capabilities(7)).
[[nodiscard]] base::Outcome<void> keep_capabilities(std::uint64_t kept);

}  // namespace hoptap::appliance
