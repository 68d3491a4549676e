#include "capture/live/ring_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "capture/bpf_program.h"
#include "capture/live/fanout_program.h"
#include "capture/live/live_failure.h"
#include "capture/live/ring_walk.h"

namespace hoptap::capture {
namespace {

constexpr std::uint32_t kFrameBytes = 2048;  // TPACKET_V3 packs packets by their size; the kernel only checks the sum
constexpr LinkType kEthernet = 1;

/// libpcap's programs are the kernel's, instruction by instruction.
std::vector<sock_filter> kernel_program(const bpf_program& program) {
  std::vector<sock_filter> code;
  code.reserve(program.bf_len);
  for (const bpf_insn& one : std::span(program.bf_insns, program.bf_len)) {
    code.push_back({.code = one.code, .jt = one.jt, .jf = one.jf, .k = one.k});
  }
  return code;
}

const std::vector<sock_filter> kRejectAll{{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0}};

bool attach(int fd, std::vector<sock_filter> code) {
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

}  // namespace

void UnmapRing::operator()(std::uint8_t* start) const { munmap(start, bytes); }

template <class Value>
bool RingSocket::set_option(int level, int option, const Value& value) {
  return setsockopt(fd(), level, option, &value, sizeof(value)) == 0;
}

base::Outcome<RingSocket> RingSocket::open(const LiveConfig& config, const std::string& kernel_filter) {
  RingSocket ring;
  auto opened = open_interface(config.interface);
  if (!opened) return tl::unexpected(std::move(opened).error());
  ring.socket_ = std::move(opened->socket);
  ring.interface_ = opened->interface;
  // Of raw IP links the kernel must take off what comes before the IP header; which they are is known only now.
  if (ring.interface_.link_type != kEthernet) {
    ring.socket_ = Descriptor(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!ring.socket_.is_open()) {
      return tl::unexpected(system_failure(config.interface, "cannot open a packet socket", errno));
    }
  }
  ring.ask_time_stamps(config);
  if (auto made = ring.make_ring(config); !made) return tl::unexpected(std::move(made).error());
  if (auto joined = ring.join(config, kernel_filter); !joined) return tl::unexpected(std::move(joined).error());
  return ring;
}

/// Without SO_TIMESTAMPING packets are stamped only as they enter the ring.
void RingSocket::ask_time_stamps(const LiveConfig& config) {
  int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  if (config.asks_nic_time) {
    hwtstamp_config wanted{.flags = 0, .tx_type = HWTSTAMP_TX_OFF, .rx_filter = HWTSTAMP_FILTER_ALL};
    ifreq request{};
    std::copy(config.interface.begin(), config.interface.end(), request.ifr_name);
    request.ifr_data = reinterpret_cast<char*>(&wanted);
    if (ioctl(fd(), SIOCSHWTSTAMP, &request) != 0) {
      nic_time_complaint_ = system_failure(config.interface, "its NIC does not stamp packets", errno).what;
    } else {
      flags |= SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
    }
  }
  set_option(SOL_SOCKET, SO_TIMESTAMPING, flags);
  set_option(SOL_PACKET, PACKET_TIMESTAMP, flags);
}

base::Outcome<void> RingSocket::make_ring(const LiveConfig& config) {
  const auto refused = [&config](std::string_view doing) {
    return tl::unexpected(system_failure(config.interface, doing, errno));
  };
  if (!set_option(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3})) return refused("TPACKET_V3 (Linux 3.2) is refused");
  if (!set_option(SOL_PACKET, PACKET_RESERVE, RingWalk::kReserveBytes)) return refused("PACKET_RESERVE is refused");
  const tpacket_req3 wanted{.tp_block_size = config.block_bytes,
                            .tp_block_nr = config.block_count,
                            .tp_frame_size = kFrameBytes,
                            .tp_frame_nr = config.block_bytes / kFrameBytes * config.block_count,
                            .tp_retire_blk_tov = config.block_timeout_ms,
                            .tp_sizeof_priv = 0,
                            .tp_feature_req_word = 0};
  const std::size_t bytes = std::size_t{config.block_bytes} * config.block_count;
  const std::string ring = fmt::format("a ring of {} blocks of {} KiB", config.block_count, config.block_bytes >> 10);
  if (!set_option(SOL_PACKET, PACKET_RX_RING, wanted)) {
    return refused(errno == ENOMEM ? "there is no memory for " + ring + ", take fewer blocks" : ring + " is refused");
  }
  void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (start == MAP_FAILED) return refused("cannot map " + ring + ", take fewer blocks");
  memory_ = {static_cast<std::uint8_t*>(start), UnmapRing{bytes}};
  return {};
}

/// Binds behind a filter that lets nothing through, so that no packet comes in before all rules hold.
base::Outcome<void> RingSocket::join(const LiveConfig& config, const std::string& kernel_filter) {
  const auto refused = [&config](std::string_view doing) {
    return tl::unexpected(system_failure(config.interface, doing, errno));
  };
  const auto program = compile_bpf(interface_.link_type, kernel_filter, config.snap_bytes);
  if (!program) return tl::unexpected(filter_failure(config.interface, kernel_filter, program.error().what));
  if (!attach(fd(), kRejectAll)) return refused("cannot attach a filter");
  if (config.ignores_outgoing) ignores_outgoing_ = set_option(SOL_PACKET, PACKET_IGNORE_OUTGOING, int{1});
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interface_.index;
  if (bind(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return refused("cannot bind");
  if (config.is_promiscuous) {
    packet_mreq wanted{};
    wanted.mr_ifindex = interface_.index;
    wanted.mr_type = PACKET_MR_PROMISC;
    if (!set_option(SOL_PACKET, PACKET_ADD_MEMBERSHIP, wanted)) return refused("promiscuous mode is refused");
  }
  if (auto joined = join_fanout(config); !joined) return joined;
  if (!attach(fd(), kernel_program(**program))) return refused("the kernel refuses the filter");
  return {};
}

base::Outcome<void> RingSocket::join_fanout(const LiveConfig& config) {
  if (!config.fanout) return {};
  const Fanout& fanout = *config.fanout;
  const std::uint32_t flags = (fanout.defragments ? std::uint32_t{PACKET_FANOUT_FLAG_DEFRAG} : 0) |
                              (fanout.rolls_over ? std::uint32_t{PACKET_FANOUT_FLAG_ROLLOVER} : 0);
  const auto joins = [&](FanoutMode mode) {
    const std::uint32_t wanted = (static_cast<std::uint32_t>(mode) | flags) << 16 | fanout.group;
    return set_option(SOL_PACKET, PACKET_FANOUT, wanted);
  };
  if (fanout.by_inner_flow && fanout.program >= 0 && joins(FanoutMode::kEbpf)) {
    if (set_option(SOL_PACKET, PACKET_FANOUT_DATA, fanout.program)) return {};
    return tl::unexpected(system_failure(config.interface, "the kernel refuses the eBPF fanout program", errno));
  }
  if (fanout.by_inner_flow && joins(FanoutMode::kCbpf)) {
    std::vector<sock_filter> program = inner_flow_program();
    const sock_fprog wanted{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
    if (set_option(SOL_PACKET, PACKET_FANOUT_DATA, wanted)) return {};
    return tl::unexpected(system_failure(config.interface, "the kernel refuses the fanout program", errno));
  }
  if (joins(fanout.by_inner_flow ? FanoutMode::kHash : fanout.mode)) return {};
  const int error = errno;
  if (LinkWatch(fd(), NamespaceFile("")).look() == LinkState::kDown) {
    return tl::unexpected(
        live_failure(config.interface, fmt::format("fanout needs it up: `ip link set dev {} up`", config.interface)));
  }
  return tl::unexpected(system_failure(
      config.interface,
      fmt::format("cannot join fanout group {} (this kernel has no mode {}, or the group is in use with another mode "
                  "or on another interface)",
                  fanout.group, static_cast<unsigned>(fanout.mode)),
      error));
}

void RingSocket::reject_all() { attach(fd(), kRejectAll); }

const RingStatistics& RingSocket::read_statistics() {
  tpacket_stats_v3 fresh{};
  socklen_t bytes = sizeof(fresh);
  if (getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &fresh, &bytes) == 0) {
    statistics_.received += fresh.tp_packets;
    statistics_.dropped += fresh.tp_drops;
    statistics_.freezes += fresh.tp_freeze_q_cnt;
  }
  return statistics_;
}

void RingSocket::clear_error() {
  int error = 0;
  socklen_t bytes = sizeof(error);
  getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
}

}  // namespace hoptap::capture
