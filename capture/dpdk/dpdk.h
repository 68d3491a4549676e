// Ports of DPDK as live sources, one for each receive queue. A build without DPDK has the same functions, which say so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::capture {

/// What all ports of a process share.
struct DpdkConfig {
  std::vector<std::string> eal;             ///< arguments of DPDK's own (its EAL), beside ours: "--vdev=net_tap0"
  std::optional<std::uint32_t> memory_mib;  ///< for packets; nothing: by ports and queues
};

/// A port that will be opened: a PCI address ("0000:03:00.0"), or the name of a virtual device ("net_tap0").
struct DpdkPort {
  std::string name;
  std::size_t queues = 1;
};

/// "22.11.11"; "" in a build without DPDK.
std::string dpdk_version();

/// Fails in a build without DPDK, in the words of the other functions. Starts nothing.
[[nodiscard]] base::Outcome<void> try_dpdk(const std::string& port);

/// Starts DPDK for these ports; other devices are left alone. Once in a process, before privileges are dropped, for
/// devices and memory are opened here; packets are read without any. A thread of DPDK's for interrupts begins: see
/// in_dpdk_thread(). Uses hugepages when enough are free, else small pages. Fails, in words, on the second call too.
[[nodiscard]] base::Outcome<void> start_dpdk(const DpdkConfig& config, std::span<const DpdkPort> ports);

/// Does `work` in the thread that DPDK started for interrupts, waits for it, and hands on its failure: privileges are
/// given up by each thread. Does nothing when DPDK was not started. One thread.
[[nodiscard]] base::Outcome<void> in_dpdk_thread(const std::function<base::Outcome<void>()>& work);

/// Opens the port config.interface with so many queues, begins to receive, and gives a source for each queue; from then
/// on each is used by one thread. The port closes with the last of them. Both directions of a connection come to one
/// queue (RSS with a symmetric key; tunnels by their outer addresses). config.block_*, fanout and ignores_outgoing are
/// of no matter. Times are the host's, once for a batch, or with asks_nic_time those of a driver whose unit is known.
/// Counts that concern the port as a whole are those of the first source.
[[nodiscard]] base::Outcome<std::vector<std::unique_ptr<LiveSource>>> open_dpdk_port(const LiveConfig& config,
                                                                                     std::size_t queues);

}  // namespace hoptap::capture
