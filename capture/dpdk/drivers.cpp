#include "capture/dpdk/drivers.h"

#include <algorithm>
#include <array>

namespace hoptap::capture {
namespace {

// Their statistics come from a counter of the NIC for packets that found no free descriptor (DPDK 22.11, each driver's
// stats_get).
constexpr std::array<std::string_view, 13> kCounting{
    "mlx5_auxiliary", "mlx5_pci", "net_bnxt", "net_cxgbe", "net_e1000_em", "net_e1000_igb", "net_ena",
    "net_enic",       "net_i40e", "net_ice",  "net_igc",   "net_ixgbe",    "net_sfc_efx"};

constexpr std::string_view kPcapFile = "net_pcap";

}  // namespace

bool counts_every_loss(std::string_view driver, std::string_view arguments) {
  if (driver == kPcapFile)
    return arguments.find("rx_pcap=") != arguments.npos && arguments.find("iface") == arguments.npos;
  return std::find(kCounting.begin(), kCounting.end(), driver) != kCounting.end();
}

std::uint64_t ns_in_stamp(std::string_view driver) { return driver == kPcapFile ? 1000 : 0; }

}  // namespace hoptap::capture
