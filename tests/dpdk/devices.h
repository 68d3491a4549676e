// Virtual devices of DPDK, made while the tests run. Needs a started DPDK.
#pragma once

#include <string>

namespace hoptap::test {

/// A device of `driver` ("net_pcap") with these arguments ("rx_pcap=FILE"), and a name of its own.
/// @return its name; "" when DPDK refuses it
std::string make_device(const std::string& driver, const std::string& arguments);

}  // namespace hoptap::test
