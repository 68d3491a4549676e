// What DPDK is started with, and what is known of hosts and drivers: without DPDK.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "capture/dpdk/drivers.h"
#include "capture/dpdk/eal_arguments.h"
#include "capture/dpdk/host.h"

namespace hoptap::capture {
namespace {

using Words = std::vector<std::string>;

Words words_for(const Words& eal, const std::vector<DpdkPort>& ports, std::uint64_t free_hugepages_mib = 0) {
  return eal_arguments({.eal = eal, .memory_mib = {}}, ports,
                       {.free_hugepages_mib = free_hugepages_mib, .cpu = 3, .process = 42});
}

TEST(EalArguments, TakeSmallPagesAndNoOtherDevices) {
  EXPECT_EQ(words_for({"--vdev=net_tap0"}, {{"net_tap0", 1}}),
            (Words{"hoptap", "--no-telemetry", "-l3", "--log-level=error", "--no-huge", "--no-shconf", "-m80",
                   "--no-pci", "--vdev=net_tap0"}));
}

TEST(EalArguments, TakeHugepagesWhenEnoughAreFree) {
  const std::vector<DpdkPort> ports{{"0000:03:00.0", 4}, {"net_tap0", 1}};  // 64 + 5 * 16 MiB
  EXPECT_EQ(words_for({}, ports, 144), (Words{"hoptap", "--no-telemetry", "-l3", "--log-level=error", "--in-memory",
                                              "-m144", "-a", "0000:03:00.0"}));
  const Words short_of = words_for({}, ports, 143);
  EXPECT_NE(std::find(short_of.begin(), short_of.end(), "--no-huge"), short_of.end());
}

TEST(EalArguments, LeaveToThePersonWhatThePersonSays) {
  EXPECT_EQ(words_for({"--huge-dir=/mnt/huge", "-l0-3", "-m", "512", "-a", "0000:04:00.0", "--log-level", "debug",
                       "--telemetry"},
                      {{"0000:03:00.0", 1}}, 1000),
            (Words{"hoptap", "--no-shconf", "--huge-unlink", "--file-prefix=hoptap-42", "--huge-dir=/mnt/huge", "-l0-3",
                   "-m", "512", "-a", "0000:04:00.0", "--log-level", "debug", "--telemetry"}));
}

TEST(DpdkHost, FindsHugepagesAndDevices) {
  namespace fs = std::filesystem;
  const fs::path sys = fs::temp_directory_path() / ("hoptap-sys-" + std::to_string(::getpid()));
  const fs::path pages = sys / "kernel/mm/hugepages", drivers = sys / "bus/pci/drivers";
  for (const auto& [name, total, free] : {std::tuple{"hugepages-2048kB", 64, 8}, {"hugepages-1048576kB", 2, 1}}) {
    fs::create_directories(pages / name);
    std::ofstream(pages / name / "nr_hugepages") << total << '\n';
    std::ofstream(pages / name / "free_hugepages") << free << '\n';
  }
  fs::create_directories(drivers / "vfio-pci/0000:03:00.0");
  fs::create_directories(drivers / "vfio-pci/module");
  fs::create_directories(drivers / "e1000/0000:04:00.0");
  const HugePages found = look_at_hugepages(sys);
  const std::vector<std::string> devices = user_space_devices(sys);
  fs::remove_all(sys);
  EXPECT_EQ(found.total_mib, 64u * 2 + 2048);
  EXPECT_EQ(found.free_mib, 8u * 2 + 1024);
  EXPECT_EQ(devices, std::vector<std::string>{"0000:03:00.0 (vfio-pci)"});
  EXPECT_EQ(look_at_hugepages("/nowhere").total_mib, 0u);
}

TEST(DpdkHost, TellsPciAddressesFromNames) {
  for (const char* address : {"0000:03:00.0", "af:1f.7"}) EXPECT_TRUE(is_pci_address(address)) << address;
  for (const char* name : {"net_tap0", "", "0000:03:00", "0000:03:00.0x", "dead"})
    EXPECT_FALSE(is_pci_address(name)) << name;
}

TEST(DpdkDrivers, AreBelievedOnlyWhenTheyAreKnownToCount) {
  EXPECT_TRUE(counts_every_loss("net_ixgbe", ""));
  EXPECT_TRUE(counts_every_loss("net_pcap", "rx_pcap=/tmp/a.pcap"));
  EXPECT_FALSE(counts_every_loss("net_pcap", "rx_iface=eth0"));
  EXPECT_FALSE(counts_every_loss("net_pcap", "iface=eth0"));
  for (const char* driver : {"net_af_packet", "net_af_xdp", "net_tap", "net_null", "net_virtio", ""})
    EXPECT_FALSE(counts_every_loss(driver, "")) << driver;
  EXPECT_EQ(ns_in_stamp("net_pcap"), 1000u);
  EXPECT_EQ(ns_in_stamp("mlx5_pci"), 0u);
}

}  // namespace
}  // namespace hoptap::capture
