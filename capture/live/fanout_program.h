// The program by which the kernel shares out packets among the members of a fanout group so that both directions of a
// connection, in a tunnel or not, come to one member. Private to capture/. Any thread.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace hoptap::capture {

/// Classic BPF (Linux Documentation/networking/filter.rst) for PACKET_FANOUT_DATA, from kernel 4.3: a hash of addresses
/// and ports that is the same either way; of the inner ones in VXLAN (ports 4789 and 8472), IPIP and plain GRE over
/// IPv4. Other tunnels: of the outer ones. Of fragments and IPv6: of the addresses alone.
std::vector<sock_filter> inner_flow_program();

}  // namespace hoptap::capture
