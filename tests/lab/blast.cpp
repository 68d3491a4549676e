// Sends TCP SYNs from random addresses out of an interface, as fast as it goes: what a flood looks like to who listens.
//
// usage: hoptap-lab-blast INTERFACE PACKETS [BYTES]    prints {"sent":N,"seconds":S}; BYTES of a frame, 60 to 1514
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kBatch = 64;

using Frame = std::vector<std::uint8_t>;

std::uint64_t next_random(std::uint64_t& state) {  // splitmix64 (Steele, Lea, Flood, 2014)
  std::uint64_t z = state += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// A SYN to 198.18.99.2:80, but for its source. Checksums are left out.
Frame syn(std::size_t bytes) {
  Frame frame(bytes);
  const std::uint8_t head[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0};
  std::memcpy(frame.data(), head, sizeof head);
  frame[17] = 40;  // length of the IP packet; what is behind it is padding
  frame[22] = 64;
  frame[23] = 6;
  const std::uint8_t target[] = {198, 18, 99, 2};
  std::memcpy(&frame[30], target, sizeof target);
  frame[37] = 80;
  frame[46] = 0x50;
  frame[47] = 2;
  frame[48] = 0xff;
  return frame;
}

/// Source address, port, sequence number and IP-ID.
void randomise(Frame& frame, std::uint64_t& state) {
  const std::uint64_t a = next_random(state), b = next_random(state);
  std::memcpy(&frame[26], &a, 4);
  frame[26] = static_cast<std::uint8_t>(frame[26] % 223 + 1);
  std::memcpy(&frame[34], &b, 2);
  std::memcpy(&frame[38], reinterpret_cast<const std::uint8_t*>(&a) + 4, 4);
  std::memcpy(&frame[18], reinterpret_cast<const std::uint8_t*>(&b) + 4, 2);
}

int open_socket(const char* interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW, 0);
  const unsigned index = ::if_nametoindex(interface);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(index);
  if (fd < 0 || index == 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::fprintf(stderr, "hoptap-lab-blast: %s: %s\n", interface, std::strerror(errno));
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  return fd;
}

std::uint64_t blast(int fd, std::uint64_t wanted, std::size_t bytes) {
  std::vector<Frame> frames(kBatch, syn(bytes));
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t at = 0; at < kBatch; ++at) {
    parts[at] = {frames[at].data(), frames[at].size()};
    messages[at].msg_hdr.msg_iov = &parts[at];
    messages[at].msg_hdr.msg_iovlen = 1;
  }
  std::uint64_t sent = 0, state = 7;
  while (sent < wanted) {
    const std::size_t count = std::min<std::uint64_t>(kBatch, wanted - sent);
    for (std::size_t at = 0; at < count; ++at) randomise(frames[at], state);
    for (std::size_t done = 0; done < count;) {
      const int more = ::sendmmsg(fd, &messages[done], static_cast<unsigned>(count - done), 0);
      if (more > 0) {
        done += static_cast<std::size_t>(more);
      } else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
        std::fprintf(stderr, "hoptap-lab-blast: %s\n", std::strerror(errno));
        return sent + done;
      }
    }
    sent += count;
  }
  return sent;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: hoptap-lab-blast INTERFACE PACKETS [BYTES]\n");
    return 2;
  }
  const std::size_t bytes = count > 3 ? std::strtoull(words[3], nullptr, 10) : 60;
  const int fd = open_socket(words[1]);
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t sent = blast(fd, std::strtoull(words[2], nullptr, 10), std::clamp<std::size_t>(bytes, 60, 1514));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("{\"sent\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(sent), seconds);
  ::close(fd);
  return 0;
}
