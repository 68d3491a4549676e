// What DPDK complains about, kept for our own messages instead of standard error. Private to capture/.
#pragma once

#include <string>

namespace hoptap::capture {

/// From now on. Before DPDK is started.
void take_dpdk_log();

/// The last lines since this was asked last, "; " between them. Any thread.
std::string dpdk_log();

}  // namespace hoptap::capture
