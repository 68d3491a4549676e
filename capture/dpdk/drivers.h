// What is known of DPDK's drivers beyond what they say themselves. Private to capture/; no DPDK in it. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace hoptap::capture {

/// Does the driver count every packet that was lost before we took it (imissed)? For net_pcap the device's arguments
/// tell: a file loses nothing, of an interface it counts a part only. Drivers that are not known are not believed:
/// those of AF_PACKET and AF_XDP say 0 whatever was lost.
bool counts_every_loss(std::string_view driver, std::string_view arguments);

/// Nanoseconds in a unit of the time stamps that a driver puts on packets, when they count from 1970; 0: not known.
std::uint64_t ns_in_stamp(std::string_view driver);

}  // namespace hoptap::capture
