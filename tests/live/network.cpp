#include "tests/live/network.h"

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

namespace hoptap::test {
namespace {

constexpr int kWaitsMax = 5000;

void append(std::vector<Seen>& all, std::span<const capture::Packet> batch) {
  for (const capture::Packet& packet : batch) {
    all.push_back({.bytes = {packet.bytes.begin(), packet.bytes.end()},
                   .time_ns = packet.time_ns,
                   .wire_bytes = packet.wire_bytes});
  }
}

}  // namespace

std::string enter_own_network() {
  if (geteuid() != 0) return "needs root";
  if (std::system("ip -V >/dev/null 2>&1") != 0) return "needs ip(8) of iproute2";
  if (unshare(CLONE_NEWNET) != 0) return std::string("needs network namespaces: ") + std::strerror(errno);
  // No neighbour discovery between the frames of the tests.
  std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1";
  if (!ip("link set dev lo up")) return "cannot set lo up";
  if (!ip("link add " + own_name("x") + " type veth peer name " + own_name("y"))) return "this kernel has no veth";
  ip("link del dev " + own_name("x"));
  return "";
}

bool ip(const std::string& command) { return std::system(("ip " + command).c_str()) == 0; }

std::string own_name(std::string_view end) { return "ht" + std::to_string(getpid()) + std::string(end); }

VethPair::VethPair() {
  EXPECT_TRUE(ip("link add " + near + " type veth peer name " + far));
  EXPECT_TRUE(ip("link set dev " + near + " up"));
  EXPECT_TRUE(ip("link set dev " + far + " up"));
}

VethPair::~VethPair() {
  if (if_nametoindex(near.c_str()) != 0)
    ip("link del dev " + near + " 2>/dev/null");  // it goes with its peer's namespace, in time
}

FrameSender::FrameSender(const std::string& interface) : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

void FrameSender::send(const Frame& frame) const {
  ASSERT_EQ(write(socket_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()))
      << std::strerror(errno);
}

Frame make_frame(std::uint32_t number, std::size_t bytes, std::uint16_t type, const std::vector<Tag>& tags) {
  Frame frame{0x02, 0, 0, 0, 0, 0xaa, 0x02, 0, 0, 0, 0, 0xbb};
  const auto put = [&frame](std::uint32_t value) {
    frame.push_back(static_cast<std::uint8_t>(value >> 8));
    frame.push_back(static_cast<std::uint8_t>(value));
  };
  for (const Tag& tag : tags) {
    put(tag.type);
    put(tag.tag);
  }
  put(type);
  put(number >> 16);
  put(number);
  while (frame.size() < bytes) frame.push_back(static_cast<std::uint8_t>(frame.size() + number));
  return frame;
}

std::vector<Seen> drain(capture::LiveSource& source) {
  std::vector<Seen> all;
  std::array<capture::Packet, capture::kBatchPackets> batch;
  while (const std::size_t filled = source.poll(batch)) append(all, std::span(batch).first(filled));
  return all;
}

std::vector<Seen> collect(capture::LiveSource& source, std::size_t count) {
  std::vector<Seen> all;
  wait_until(source, [&] {
    const std::vector<Seen> more = drain(source);
    all.insert(all.end(), more.begin(), more.end());
    return all.size() >= count;
  });
  return all;
}

bool wait_until(capture::LiveSource& source, const std::function<bool()>& holds) {
  for (int waits = 0; waits < kWaitsMax; ++waits) {
    if (holds()) return true;
    if (source.wait(-1)) usleep(1000);  // what holds() waits for may be something else than packets
  }
  return false;
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void expect_to_come_through(const std::vector<Frame>& frames, const FrameSender& sender, capture::LiveSource& source) {
  for (const Frame& frame : frames) sender.send(frame);
  const std::vector<Seen> seen = collect(source, frames.size());
  ASSERT_EQ(seen.size(), frames.size());
  for (std::size_t at = 0; at < seen.size(); ++at) {
    EXPECT_EQ(seen[at].bytes, frames[at]) << at;
    EXPECT_EQ(seen[at].wire_bytes, frames[at].size()) << at;
  }
}

}  // namespace hoptap::test
