// The least that a listener at an interface does, as the floor that ratios are taken against: a TPACKET_V3 ring of the
// probe's geometry, whose packets are stepped over and counted, no more.
//
// usage: hoptap-ring-count INTERFACE [MIB]    until SIGINT or SIGTERM; the ring is of MIB (64) blocks of 1 MiB
// Prints {"listens":true}, and at the end {"packets":N,"bytes":N,"received":N,"dropped":N,"cpu_s":S}; received and
// dropped are the kernel's.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::size_t kBlockBytes = 1u << 20;
constexpr std::uint32_t kFrameBytes = 2048, kReserveBytes = 16, kBlockTimeoutMs = 10;

volatile std::sig_atomic_t stop_wanted = 0;

struct Sums {
  std::uint64_t packets = 0, bytes = 0;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "hoptap-ring-count: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

template <class Value>
void set(int fd, int level, int option, const Value& value) {
  if (::setsockopt(fd, level, option, &value, sizeof value) != 0) fail("setsockopt");
}

/// As capture/live/ring_socket.cpp opens its own.
int open_ring(const char* interface, std::size_t blocks, std::uint8_t*& memory) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  set(fd, SOL_SOCKET, SO_TIMESTAMPING, stamps);
  set(fd, SOL_PACKET, PACKET_TIMESTAMP, stamps);
  set(fd, SOL_PACKET, PACKET_VERSION, int{TPACKET_V3});
  set(fd, SOL_PACKET, PACKET_RESERVE, kReserveBytes);
  const tpacket_req3 wanted{.tp_block_size = kBlockBytes,
                            .tp_block_nr = static_cast<unsigned>(blocks),
                            .tp_frame_size = kFrameBytes,
                            .tp_frame_nr = static_cast<unsigned>(kBlockBytes / kFrameBytes * blocks),
                            .tp_retire_blk_tov = kBlockTimeoutMs,
                            .tp_sizeof_priv = 0,
                            .tp_feature_req_word = 0};
  set(fd, SOL_PACKET, PACKET_RX_RING, wanted);
  void* const start = ::mmap(nullptr, kBlockBytes * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) fail("mmap");
  memory = static_cast<std::uint8_t*>(start);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  if (address.sll_ifindex == 0) fail(interface);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  return fd;
}

/// Counts one block and gives it back. False when it is still the kernel's.
bool take(std::uint8_t* block, Sums& sums) {
  tpacket_hdr_v1& header = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1;
  std::atomic_ref status(header.block_status);
  if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return false;
  const std::uint8_t* at = block + header.offset_to_first_pkt;
  for (std::uint32_t left = header.num_pkts; left > 0; --left) {
    const auto* const packet = reinterpret_cast<const tpacket3_hdr*>(at);
    sums.bytes += packet->tp_snaplen;
    at += packet->tp_next_offset;
  }
  sums.packets += header.num_pkts;
  status.store(TP_STATUS_KERNEL, std::memory_order_release);
  return true;
}

void count(int fd, std::uint8_t* memory, std::size_t blocks, Sums& sums) {
  std::size_t at = 0;
  for (int last_looks = 5; last_looks > 0;) {  // what is in a block comes when its time is up
    if (take(memory + at * kBlockBytes, sums)) {
      at = (at + 1) % blocks;
      continue;
    }
    pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&waited, 1, static_cast<int>(kBlockTimeoutMs)) == 0 && stop_wanted != 0) --last_looks;
  }
}

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

int main(int words, char** word) {
  if (words < 2) {
    std::fprintf(stderr, "usage: hoptap-ring-count INTERFACE [MIB]\n");
    return 2;
  }
  const std::size_t blocks = words > 2 ? std::strtoull(word[2], nullptr, 10) : 64;
  std::uint8_t* memory = nullptr;
  const int fd = open_ring(word[1], blocks, memory);
  std::signal(SIGINT, [](int) { stop_wanted = 1; });
  std::signal(SIGTERM, [](int) { stop_wanted = 1; });
  std::puts("{\"listens\":true}");
  std::fflush(stdout);
  const double began_s = cpu_seconds();
  Sums sums;
  count(fd, memory, blocks, sums);
  tpacket_stats_v3 kernel{};
  socklen_t bytes = sizeof kernel;
  if (::getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &bytes) != 0) fail("PACKET_STATISTICS");
  std::printf("{\"packets\":%llu,\"bytes\":%llu,\"received\":%u,\"dropped\":%u,\"cpu_s\":%.6f}\n",
              static_cast<unsigned long long>(sums.packets), static_cast<unsigned long long>(sums.bytes),
              kernel.tp_packets, kernel.tp_drops, cpu_seconds() - began_s);
  ::close(fd);
  return 0;
}
