#include "tests/lab/wire_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hoptap::lab {
namespace {

constexpr std::size_t kFrameBytesMax = 65536;
constexpr int kSocketBufferBytes = 32 << 20;

std::uint64_t to_ns(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

void enter_namespace(const std::string& path) {
  const int handle = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (handle < 0 || setns(handle, CLONE_NEWNET) != 0) die(path.c_str());
  close(handle);
}

/// A raw socket on `interface` that hands over each received frame with its kernel stamp.
int open_port(const char* interface) {
  const int port = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (port < 0) die("socket");
  const int on = 1;
  if (setsockopt(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) die("PACKET_IGNORE_OUTGOING");
  if (setsockopt(port, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) die("SO_TIMESTAMPNS");
  constexpr int kStampLeaving = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
  if (setsockopt(port, SOL_SOCKET, SO_TIMESTAMPING, &kStampLeaving, sizeof kStampLeaving) != 0) die("SO_TIMESTAMPING");
  setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
  if (address.sll_ifindex == 0) die(interface);
  if (bind(port, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die(interface);
  packet_mreq membership{};
  membership.mr_ifindex = address.sll_ifindex;
  membership.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(port, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) die("promiscuous");
  return port;
}

/// The kernel's stamp in a message's control part: `type` is SCM_TIMESTAMPNS, or SCM_TIMESTAMPING whose first of three
/// stamps is the software's. 0 when there is none.
std::uint64_t stamp_of(msghdr& message, int type) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != type) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(part), sizeof time);
    return to_ns(time);
  }
  return 0;
}

/// When the frame just sent was handed to the interface: the kernel puts the stamp into the error queue before send()
/// returns, because a veth pair sends at once. 0 when there is none.
std::uint64_t leaving_stamp(int port) {
  std::uint64_t time_ns = 0;
  while (true) {
    std::array<char, 256> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(port, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return time_ns;
    time_ns = stamp_of(message, SCM_TIMESTAMPING);
  }
}

}  // namespace

std::uint64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return to_ns(time);
}

Port::Port(const std::string& name) : buffer_(kFrameBytesMax) {
  const std::size_t slash = name.find('/');
  enter_namespace("/run/netns/" + name.substr(0, slash));
  descriptor_ = open_port(name.substr(slash + 1).c_str());
}

std::optional<Received> Port::receive() {
  std::array<char, 256> control{};
  iovec part{buffer_.data(), buffer_.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(descriptor_, &message, MSG_DONTWAIT);
  if (size <= 0) return std::nullopt;
  const std::uint64_t stamp_ns = stamp_of(message, SCM_TIMESTAMPNS);
  return Received{stamp_ns > 0 ? stamp_ns : now_ns(), Bytes(buffer_.data(), static_cast<std::size_t>(size))};
}

std::uint64_t Port::send(Bytes frame) {
  const std::uint64_t before_ns = now_ns();
  if (::send(descriptor_, frame.data(), frame.size(), 0) < 0) return 0;
  const std::uint64_t stamp_ns = leaving_stamp(descriptor_);
  return stamp_ns > 0 ? stamp_ns : before_ns;
}

}  // namespace hoptap::lab
