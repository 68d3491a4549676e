// hoptap-lab-ipip: one end of an IP-in-IP tunnel (protocol 4, RFC 2003) for kernels without the
// ipip module: a TUN device on one side, a raw protocol-4 socket on the other.
//
// usage: hoptap-lab-ipip DEVICE LOCAL_ADDRESS REMOTE_ADDRESS
//
// Creates DEVICE, prints `ready`, then carries IPv4 packets until it is ended by a signal.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kPacketBytesMax = 65536;
constexpr int kSocketBufferBytes = 16 << 20;  // a burst must not overflow while this process is not running

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int open_tun(const char* device) {
  const int tun = open("/dev/net/tun", O_RDWR);
  if (tun < 0) die("/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(tun, TUNSETIFF, &request) != 0) die(device);
  return tun;
}

sockaddr_in address_of(const char* text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) die(text);
  return address;
}

/// A raw socket whose packets the kernel wraps in an IPv4 header local -> remote.
int open_outer(const char* local, const char* remote) {
  const int outer = socket(AF_INET, SOCK_RAW, IPPROTO_IPIP);
  if (outer < 0) die("raw socket");
  setsockopt(outer, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  setsockopt(outer, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  const sockaddr_in source = address_of(local), target = address_of(remote);
  if (bind(outer, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) die(local);
  if (connect(outer, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) die(remote);
  return outer;
}

/// Device -> tunnel. Anything but IPv4 is left behind.
void wrap(int tun, int outer, std::vector<std::uint8_t>& packet) {
  const ssize_t size = read(tun, packet.data(), packet.size());
  if (size < 20 || packet[0] >> 4 != 4) return;
  if (send(outer, packet.data(), static_cast<std::size_t>(size), 0) < 0) std::perror("send");
}

/// Tunnel -> device. A raw socket delivers the outer header too: skip it.
void unwrap(int outer, int tun, std::vector<std::uint8_t>& packet) {
  const ssize_t size = recv(outer, packet.data(), packet.size(), 0);
  const ssize_t header_bytes = size > 0 ? (packet[0] & 0x0f) * 4 : 0;
  if (size <= header_bytes) return;
  const std::size_t inner_bytes = static_cast<std::size_t>(size - header_bytes);
  if (write(tun, packet.data() + header_bytes, inner_bytes) < 0) std::perror("write");
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 4) {
    std::fprintf(stderr, "usage: hoptap-lab-ipip DEVICE LOCAL_ADDRESS REMOTE_ADDRESS\n");
    return 2;
  }
  const sched_param priority{.sched_priority = 40};
  sched_setscheduler(0, SCHED_FIFO, &priority);  // where it is refused the tunnel works, with more jitter
  const int tun = open_tun(arguments[1]);
  const int outer = open_outer(arguments[2], arguments[3]);
  std::printf("ready\n");
  std::fflush(stdout);
  std::vector<std::uint8_t> packet(kPacketBytesMax);
  for (;;) {
    std::array<pollfd, 2> waits{{{tun, POLLIN, 0}, {outer, POLLIN, 0}}};
    if (poll(waits.data(), waits.size(), -1) < 0) die("poll");
    if (waits[0].revents != 0) wrap(tun, outer, packet);
    if (waits[1].revents != 0) unwrap(outer, tun, packet);
  }
}
