// Sends the frames of a capture out of an interface, over and over, at a pace. Each round is of other connections: both
// addresses of every packet are changed alike, by the number of the round. Checksums are left as they are.
//
// usage: hoptap-replay-frames INTERFACE CAPTURE SECONDS [PACKETS_PER_SECOND]    without a pace as fast as it goes
// Prints {"sent":N,"bytes":N,"seconds":S,"rounds":N,"late":S}; late: how much of the time it was behind its pace for
// want of a processor and let that go, so that no burst makes up for it.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
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

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
constexpr std::uint32_t kFrameBytesMax = 1522;  // with two VLAN tags
constexpr double kLateMax = 0.005;              // seconds

struct Frame {
  std::uint32_t start, bytes;
  std::uint16_t source, target;  ///< where the two bytes of each address that change are, in the frame; 0: nowhere
};

struct Frames {
  std::vector<std::uint8_t> bytes;
  std::vector<Frame> list;
};

struct Sums {
  std::uint64_t sent = 0, bytes = 0, rounds = 0;
  double seconds = 0, late_s = 0;
};

/// The second and third byte of an IPv4 address, the fifth and sixth of one of IPv6.
void find_addresses(const std::uint8_t* frame, Frame& out) {
  std::uint32_t at = 12;
  std::uint32_t type = 0;
  while (at + 2 <= out.bytes) {
    type = static_cast<std::uint32_t>(frame[at] << 8 | frame[at + 1]);
    at += 2;
    if (type != ETH_P_8021Q && type != ETH_P_8021AD) break;
    at += 2;
  }
  if (type == ETH_P_IP && at + 20 <= out.bytes) {
    out.source = static_cast<std::uint16_t>(at + 13);
    out.target = static_cast<std::uint16_t>(at + 17);
  } else if (type == ETH_P_IPV6 && at + 40 <= out.bytes) {
    out.source = static_cast<std::uint16_t>(at + 12);
    out.target = static_cast<std::uint16_t>(at + 28);
  }
}

Frames read(const char* path) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* const source = pcap_open_offline(path, error);
  if (source == nullptr) {
    std::fprintf(stderr, "hoptap-replay-frames: %s\n", error);
    std::exit(1);
  }
  Frames frames;
  pcap_pkthdr* header = nullptr;
  const std::uint8_t* data = nullptr;
  while (pcap_next_ex(source, &header, &data) == 1) {
    if (header->caplen < ETH_HLEN || header->caplen > kFrameBytesMax) continue;
    Frame frame{static_cast<std::uint32_t>(frames.bytes.size()), header->caplen, 0, 0};
    find_addresses(data, frame);
    frames.bytes.insert(frames.bytes.end(), data, data + header->caplen);
    frames.list.push_back(frame);
  }
  pcap_close(source);
  if (frames.list.empty()) {
    std::fprintf(stderr, "hoptap-replay-frames: %s: no frame to send\n", path);
    std::exit(1);
  }
  return frames;
}

int open_socket(const char* interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  if (fd < 0 || address.sll_ifindex == 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::fprintf(stderr, "hoptap-replay-frames: %s: %s\n", interface, std::strerror(errno));
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  return fd;
}

class Sender {
 public:
  Sender(int fd, Frames& frames) : fd_(fd), frames_(frames) {
    for (std::size_t at = 0; at < kBatch; ++at) {
      messages_[at].msg_hdr.msg_iov = &parts_[at];
      messages_[at].msg_hdr.msg_iovlen = 1;
    }
  }

  /// The next `count` frames, at most kBatch. False on an error that stays.
  bool send(std::size_t count) {
    for (std::size_t at = 0; at < count; ++at) parts_[at] = next();
    for (std::size_t done = 0; done < count;) {
      const int more = ::sendmmsg(fd_, &messages_[done], static_cast<unsigned>(count - done), 0);
      if (more < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) return false;
      for (int sent = 0; sent < more; ++sent) sums_.bytes += parts_[done++].iov_len;
    }
    sums_.sent += count;
    return true;
  }

  Sums& sums() { return sums_; }

 private:
  iovec next() {
    if (at_ == frames_.list.size()) {
      at_ = 0;
      ++sums_.rounds;
    }
    const Frame& frame = frames_.list[at_++];
    std::uint8_t* const bytes = frames_.bytes.data() + frame.start;
    if (frame.source != 0 && sums_.rounds > 0) {  // from the number of the last round to that of this
      const auto change = static_cast<std::uint16_t>(sums_.rounds ^ (sums_.rounds - 1));
      for (const std::size_t where : {frame.source, frame.target}) {
        bytes[where] = static_cast<std::uint8_t>(bytes[where] ^ change >> 8);
        bytes[where + 1] = static_cast<std::uint8_t>(bytes[where + 1] ^ change);
      }
    }
    return {bytes, frame.bytes};
  }

  int fd_;
  Frames& frames_;
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
  std::size_t at_ = 0;
  Sums sums_;
};

double since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

/// @param pace  packets a second; 0: as fast as it goes
bool run(Sender& sender, double seconds, double pace) {
  const Clock::time_point began = Clock::now();
  Sums& sums = sender.sums();
  for (double now = 0; now < seconds; now = since(began)) {
    std::size_t count = kBatch;
    if (pace > 0) {
      const double due = (now - sums.late_s) * pace - static_cast<double>(sums.sent);
      if (due < 1) continue;
      if (due > kLateMax * pace + kBatch) sums.late_s += (due - kBatch) / pace;
      count = std::min(kBatch, static_cast<std::size_t>(due));
    }
    if (!sender.send(count)) return false;
  }
  sums.seconds = since(began);
  return true;
}

}  // namespace

int main(int words, char** word) {
  if (words < 4) {
    std::fprintf(stderr, "usage: hoptap-replay-frames INTERFACE CAPTURE SECONDS [PACKETS_PER_SECOND]\n");
    return 2;
  }
  Frames frames = read(word[2]);
  const int fd = open_socket(word[1]);
  Sender sender(fd, frames);
  const bool done = run(sender, std::strtod(word[3], nullptr), words > 4 ? std::strtod(word[4], nullptr) : 0);
  if (!done) std::fprintf(stderr, "hoptap-replay-frames: %s: %s\n", word[1], std::strerror(errno));
  const Sums& sums = sender.sums();
  std::printf("{\"sent\":%llu,\"bytes\":%llu,\"seconds\":%.4f,\"rounds\":%llu,\"late\":%.4f}\n",
              static_cast<unsigned long long>(sums.sent), static_cast<unsigned long long>(sums.bytes), sums.seconds,
              static_cast<unsigned long long>(sums.rounds), sums.late_s);
  ::close(fd);
  return done ? 0 : 1;
}
