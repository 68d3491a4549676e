#include "capture/dpdk/port.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "capture/dpdk/drivers.h"
#include "capture/dpdk/eal_log.h"
#include "capture/dpdk/host.h"
#include "capture/live/live_failure.h"

namespace hoptap::capture {
namespace {

constexpr std::uint32_t kMtu = 9000;                     // mirror ports carry what they carry, and tunnels around it
constexpr std::uint16_t kDescriptors = 4096;             // 275 us of 64-byte packets at 10 Gbit/s
constexpr std::uint16_t kDescriptorsOfLargeOnes = 1024;  // when a buffer must hold the largest packet
constexpr std::uint32_t kBuffersBeside = 640;            // in our hands and in the caches of threads
constexpr std::uint32_t kCachedBuffers = 256;
constexpr std::size_t kKeyBytesMax = 128;

std::string reason(int code) {
  const std::string said = dpdk_log();
  return fmt::format("{}{}{}", ::rte_strerror(code < 0 ? -code : code), said.empty() ? "" : ": ", said);
}

base::Failure no_such_port(const std::string& name) {
  std::string there;
  for (std::uint16_t id = 0;
       (id = static_cast<std::uint16_t>(::rte_eth_find_next_owned_by(id, RTE_ETH_DEV_NO_OWNER))) < RTE_MAX_ETHPORTS;
       ++id) {
    std::array<char, RTE_ETH_NAME_MAX_LEN> other{};
    if (::rte_eth_dev_get_name_by_port(id, other.data()) == 0)
      there += (there.empty() ? "" : ", ") + std::string(other.data());
  }
  const std::string fix =
      is_pci_address(name)
          ? fmt::format("`dpdk-devbind.py --bind=vfio-pci {}` gives the device to DPDK (package dpdk)", name)
          : fmt::format("a virtual device is made by --eal '--vdev={},...' (or dpdk: eal: in the configuration)", name);
  const std::string said = dpdk_log();
  return live_failure("dpdk:" + name, fmt::format("DPDK has no such port; {}; {}{}{}",
                                                  there.empty() ? "it has none" : "there are " + there, fix,
                                                  said.empty() ? "" : "; it said: ", said));
}

/// The longest packet that the port may be told to take, as an MTU.
std::uint32_t mtu_of(const rte_eth_dev_info& info, std::uint32_t overhead) {
  const std::uint32_t longest = info.max_rx_pktlen > overhead ? info.max_rx_pktlen - overhead : kMtu;
  return std::max<std::uint32_t>(std::min({kMtu, std::uint32_t{info.max_mtu}, longest}), info.min_mtu);
}

/// Bytes of a frame beside the MTU, as DPDK reckons.
std::uint32_t overhead_of(const rte_eth_dev_info& info) {
  if (info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu) return info.max_rx_pktlen - info.max_mtu;
  return RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

}  // namespace

base::Outcome<std::shared_ptr<Port>> Port::open(const LiveConfig& config, std::size_t queues) {
  std::shared_ptr<Port> port(new Port);
  if (::rte_eth_dev_get_port_by_name(config.interface.c_str(), &port->id_) != 0)
    return tl::unexpected(no_such_port(config.interface));
  dpdk_log();  // what was said before is of no matter: it is there
  port->is_configured_ = true;
  const auto wrong = [&](const std::string& what) {
    return tl::unexpected(live_failure("dpdk:" + config.interface, what));
  };
  if (auto configured = port->configure(config, static_cast<std::uint16_t>(queues)); !configured)
    return wrong(configured.error().what);
  ::rte_eth_stats_reset(port->id_);
  if (const int code = ::rte_eth_dev_start(port->id_); code != 0) return wrong("does not start: " + reason(code));
  port->set_promiscuous(config);
  return port;
}

Port::~Port() {
  if (!is_configured_) return;
  ::rte_eth_dev_stop(id_);
  ::rte_eth_dev_close(id_);
  for (rte_mempool* pool : pools_) ::rte_mempool_free(pool);
}

base::Outcome<void> Port::configure(const LiveConfig& config, std::uint16_t queues) {
  const auto wrong = [](const std::string& what) { return tl::unexpected(base::Failure{.what = what}); };
  rte_eth_dev_info info{};
  if (const int code = ::rte_eth_dev_info_get(id_, &info); code != 0) return wrong("cannot be asked: " + reason(code));
  if (queues > info.max_rx_queues)
    return wrong(fmt::format("workers: {}: this port has {} receive queue{}; at most so many workers", queues,
                             info.max_rx_queues, info.max_rx_queues == 1 ? "" : "s"));
  constexpr std::uint64_t kFlows = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
  if (queues > 1 && (info.flow_type_rss_offloads & kFlows) == 0)
    return wrong(fmt::format(
        "workers: {}: the driver {} cannot share out by connection (RSS), so directions would part; workers: 1", queues,
        info.driver_name));
  const rte_devargs* const given = ::rte_dev_devargs(info.device);
  counts_loss_ = counts_every_loss(info.driver_name, given != nullptr && given->args != nullptr ? given->args : "");
  ns_in_stamp_ = config.asks_nic_time ? ::hoptap::capture::ns_in_stamp(info.driver_name) : 0;
  if (config.asks_nic_time && ns_in_stamp_ == 0)
    return wrong(
        fmt::format("nic_time: the unit of the driver {}'s time stamps is not known; leave it out", info.driver_name));
  rte_eth_conf conf{};
  const std::uint32_t overhead = overhead_of(info);
  conf.rxmode.mtu = mtu_of(info, overhead);
  const bool scatters = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
  if (scatters) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
  if (ns_in_stamp_ != 0) conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  std::array<std::uint8_t, kKeyBytesMax> key{};
  for (std::size_t at = 0; at < key.size(); ++at) key[at] = at % 2 == 0 ? kSymmetricKeyEven : kSymmetricKeyOdd;
  if (queues > 1) {
    const std::size_t key_bytes = info.hash_key_size != 0 ? info.hash_key_size : 40;
    if (key_bytes > key.size()) return wrong(fmt::format("its RSS key has {} bytes", key_bytes));
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf = {.rss_key = key.data(),
                                 .rss_key_len = static_cast<std::uint8_t>(key_bytes),
                                 .rss_hf = info.flow_type_rss_offloads & kFlows};
  }
  transmit_queues_ = std::min(queues, info.max_tx_queues);  // some drivers want as many; nothing is sent
  if (const int code = ::rte_eth_dev_configure(id_, queues, transmit_queues_, &conf); code != 0)
    return wrong("cannot be configured: " + reason(code));
  descriptors_ = scatters ? kDescriptors : kDescriptorsOfLargeOnes;
  const std::size_t frame_bytes = scatters ? 0 : conf.rxmode.mtu + overhead;
  return set_up_queues(queues, std::max<std::size_t>(frame_bytes, RTE_MBUF_DEFAULT_DATAROOM));
}

base::Outcome<void> Port::set_up_queues(std::uint16_t queues, std::size_t buffer_bytes) {
  const auto wrong = [](const std::string& what) { return tl::unexpected(base::Failure{.what = what}); };
  std::uint16_t transmit_descriptors = 512;
  if (const int code = ::rte_eth_dev_adjust_nb_rx_tx_desc(id_, &descriptors_, &transmit_descriptors); code != 0)
    return wrong("descriptors: " + reason(code));
  const int socket = ::rte_eth_dev_socket_id(id_);
  const auto room = static_cast<std::uint16_t>(buffer_bytes + RTE_PKTMBUF_HEADROOM);
  for (std::uint16_t queue = 0; queue < queues; ++queue) {
    const std::string name = fmt::format("hoptap-{}-{}", id_, queue);
    rte_mempool* const pool = ::rte_pktmbuf_pool_create(name.c_str(), descriptors_ + kBuffersBeside, kCachedBuffers, 0,
                                                        room, socket < 0 ? SOCKET_ID_ANY : socket);
    if (pool == nullptr)
      return wrong(fmt::format("no memory for packets ({}): a larger `dpdk: memory_mib`, {} MiB more for each queue",
                               reason(rte_errno), (std::size_t{room} + 192) * (descriptors_ + kBuffersBeside) >> 20));
    pools_.push_back(pool);
    if (const int code =
            ::rte_eth_rx_queue_setup(id_, queue, descriptors_, static_cast<unsigned>(socket), nullptr, pool);
        code != 0)
      return wrong(fmt::format("receive queue {}: {}", queue, reason(code)));
  }
  for (std::uint16_t queue = 0; queue < transmit_queues_; ++queue) {
    if (const int code =
            ::rte_eth_tx_queue_setup(id_, queue, transmit_descriptors, static_cast<unsigned>(socket), nullptr);
        code != 0)
      return wrong(fmt::format("send queue {}: {}", queue, reason(code)));
  }
  return {};
}

/// Virtual devices that have no such mode (net_pcap, net_null) give all they have.
void Port::set_promiscuous(const LiveConfig& config) {
  if (!config.is_promiscuous) return;
  const int code = ::rte_eth_promiscuous_enable(id_);
  if (code == 0 || code == -ENOTSUP) return;
  complaint_ += fmt::format("{}{}: is not promiscuous, frames for other hosts are not seen: {}",
                            complaint_.empty() ? "" : "; ", config.interface, reason(code));
}

bool Port::is_up() const {
  rte_eth_link link{};
  return ::rte_eth_link_get_nowait(id_, &link) != 0 || link.link_status == RTE_ETH_LINK_UP;
}

std::optional<PortCounts> Port::counts() const {
  rte_eth_stats stats{};
  if (::rte_eth_stats_get(id_, &stats) != 0) return std::nullopt;
  return PortCounts{
      .received = stats.ipackets, .missed = stats.imissed, .faulty = stats.ierrors, .no_buffer = stats.rx_nombuf};
}

}  // namespace hoptap::capture
