// hoptap-lab-wire: a cable between two Ethernet interfaces that delays, loses and duplicates
// frames, and keeps its own log of what it did to each. The log is the truth the product is held
// against, so nothing here is shared with the product's decoder.
//
// usage: hoptap-lab-wire INTERFACE_A INTERFACE_B [SEED]
//
// Control: one command a line on standard input. Frames of direction `ab` enter at A, leave at B.
//   ab|ba|both DELAY_US LOSS_PERCENT DUPLICATE_PERCENT    from now on
//   lose ab|ba COUNT     drop the next COUNT frames that carry data (TCP payload or a DNS message)
//   dump FILE            write the log collected so far to FILE, then forget it
//   quit
// Each command is answered by one line on standard output: `ok TIME_NS COMMAND` or `error COMMAND`.
// `ready` is printed once at the start. All times are nanoseconds of CLOCK_REALTIME, the clock
// that packet captures use.
//
// One thread. A frame is held until (kernel receive stamp + delay); order is kept per direction.
// Log entries stay in memory (kLogEntriesMax of them) until `dump`: no file is written while
// frames pass.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kFrameBytesMax = 65536;
constexpr std::size_t kLogEntriesMax = 4u << 20;
constexpr int kReceiveBatch = 64;  // frames taken from one side before the other is looked at
constexpr int kSocketBufferBytes = 32 << 20;
constexpr std::uint64_t kSpinNs = 50'000;  // the last stretch before a frame is due is spun, not slept
constexpr std::uint64_t kIdleWaitNs = 100'000'000;
constexpr int kRealtimePriority = 50;
constexpr std::size_t kTunnelDepthMax = 4;
constexpr std::uint16_t kDnsPort = 53, kDnsNodePort = 30053;  // the lab's NodePort leads to the same server

using Bytes = std::span<const std::uint8_t>;

std::uint64_t to_ns(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return to_ns(time);
}

// ---- what a frame is ------------------------------------------------------------------------

/// Identity of the innermost packet of a frame; zeros and dashes where it has no such field.
struct Identity {
  const char* tunnel = "none";      // of the innermost tunnel: none, vxlan, ipip
  const char* transport = "other";  // tcp, udp, dns, other
  std::uint32_t source_address = 0, target_address = 0;
  std::uint16_t source_port = 0, target_port = 0;
  std::uint16_t ip_id = 0, dns_id = 0;
  std::uint32_t sequence = 0, ack = 0;
  std::uint32_t payload_bytes = 0;
  std::uint8_t tcp_flags = 0;
  std::array<char, 40> label{};  // the request's own id, when it is in this frame
};

/// Big-endian integer of `count` bytes at `at`; 0 when the bytes are not there.
std::uint32_t load(Bytes bytes, std::size_t at, std::size_t count) {
  if (at + count > bytes.size()) return 0;
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes.subspan(at, count)) value = value << 8 | byte;
  return value;
}

Bytes after(Bytes bytes, std::size_t count) { return count <= bytes.size() ? bytes.subspan(count) : Bytes{}; }

void set_label(Identity& identity, std::string_view text) {
  const std::size_t count = std::min(text.size(), identity.label.size() - 1);
  std::copy_n(text.begin(), count, identity.label.begin());
}

/// HTTP: the value of `id=` in the request line. Only the start of a payload is searched.
void find_http_label(Identity& identity, Bytes payload) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()),
                              std::min<std::size_t>(payload.size(), 256));
  const std::size_t line_end = std::min(text.find("\r\n"), text.size());
  const std::size_t http = text.substr(0, line_end).find(" HTTP/1.");
  const std::size_t at = text.substr(0, line_end).find("id=");
  if (at == std::string_view::npos || http == std::string_view::npos || at > http) return;
  const std::size_t start = at + 3;
  set_label(identity, text.substr(start, text.find_first_of(" &", start) - start));
}

/// DNS: the first label of the first question (RFC 1035 section 4.1). `message` starts at the header.
void find_dns_label(Identity& identity, Bytes message) {
  constexpr std::size_t kHeaderBytes = 12;
  const std::size_t count = load(message, kHeaderBytes, 1);
  identity.dns_id = static_cast<std::uint16_t>(load(message, 0, 2));
  if (count == 0 || count > 63 || kHeaderBytes + 1 + count > message.size()) return;
  set_label(identity, {reinterpret_cast<const char*>(message.data()) + kHeaderBytes + 1, count});
}

bool is_dns(const Identity& identity) {
  const auto matches = [](std::uint16_t port) { return port == kDnsPort || port == kDnsNodePort; };
  return matches(identity.source_port) || matches(identity.target_port);
}

void identify_tcp(Identity& identity, Bytes segment) {
  const std::size_t header_bytes = load(segment, 12, 1) >> 4 << 2;
  if (segment.size() < 20 || header_bytes < 20) return;
  identity.transport = "tcp";
  identity.source_port = static_cast<std::uint16_t>(load(segment, 0, 2));
  identity.target_port = static_cast<std::uint16_t>(load(segment, 2, 2));
  identity.sequence = load(segment, 4, 4);
  identity.ack = load(segment, 8, 4);
  identity.tcp_flags = segment[13];
  const Bytes payload = after(segment, header_bytes);
  identity.payload_bytes = static_cast<std::uint32_t>(payload.size());
  constexpr std::size_t kLengthPrefixBytes = 2;  // DNS over TCP, RFC 1035 section 4.2.2
  if (is_dns(identity)) {
    if (!payload.empty()) find_dns_label(identity, after(payload, kLengthPrefixBytes));
  } else {
    find_http_label(identity, payload);
  }
}

void identify_ethernet(Identity& identity, Bytes frame, std::size_t depth);

void identify_udp(Identity& identity, Bytes datagram, std::size_t depth) {
  const Bytes payload = after(datagram, 8);
  const std::uint32_t target_port = load(datagram, 2, 2);
  if (target_port == 8472 || target_port == 4789) {  // Linux's own and the assigned VXLAN port
    identity = {.tunnel = "vxlan"};
    identify_ethernet(identity, after(payload, 8), depth + 1);
    return;
  }
  identity.transport = "udp";
  identity.source_port = static_cast<std::uint16_t>(load(datagram, 0, 2));
  identity.target_port = static_cast<std::uint16_t>(target_port);
  identity.payload_bytes = static_cast<std::uint32_t>(payload.size());
  if (is_dns(identity)) {
    identity.transport = "dns";
    find_dns_label(identity, payload);
  }
}

void identify_ipv4(Identity& identity, Bytes packet, std::size_t depth) {
  const std::size_t header_bytes = (load(packet, 0, 1) & 0x0fu) * 4u;
  const std::size_t total_bytes = load(packet, 2, 2);
  if (packet.size() < 20 || packet[0] >> 4 != 4 || header_bytes < 20) return;
  if (total_bytes < header_bytes || total_bytes > packet.size() || depth > kTunnelDepthMax) return;
  const Bytes payload = packet.subspan(header_bytes, total_bytes - header_bytes);
  if (packet[9] == IPPROTO_IPIP) {
    identity = {.tunnel = "ipip"};
    identify_ipv4(identity, payload, depth + 1);
    return;
  }
  identity.ip_id = static_cast<std::uint16_t>(load(packet, 4, 2));
  identity.source_address = load(packet, 12, 4);
  identity.target_address = load(packet, 16, 4);
  if (packet[9] == IPPROTO_TCP) identify_tcp(identity, payload);
  if (packet[9] == IPPROTO_UDP) identify_udp(identity, payload, depth);
}

void identify_ethernet(Identity& identity, Bytes frame, std::size_t depth) {
  constexpr std::size_t kHeaderBytes = 14;
  if (load(frame, 12, 2) == ETHERTYPE_IP) identify_ipv4(identity, after(frame, kHeaderBytes), depth);
}

bool carries_data(const Identity& identity) { return identity.payload_bytes > 0; }

// ---- the log --------------------------------------------------------------------------------

struct Entry {
  std::uint64_t ingress_ns = 0;
  std::uint64_t egress_ns = 0;  // 0 when the frame never left
  int direction = 0;
  const char* action = "";  // forwarded, duplicated (the second copy), dropped, failed (send refused)
  std::size_t frame_bytes = 0;
  Identity identity;
};

class Log {
 public:
  void add(const Entry& entry) {
    if (entries_.size() < kLogEntriesMax)
      entries_.push_back(entry);
    else
      ++refused_;
  }

  /// Writes every entry as one line of tab-separated fields and empties the log.
  bool dump(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return false;
    std::fprintf(file,
                 "#ingress_ns\tegress_ns\tdirection\taction\tframe_bytes\ttunnel\ttransport\tsource\ttarget\t"
                 "ip_id\tsequence\tack\tpayload_bytes\ttcp_flags\tdns_id\tlabel\n");
    for (const Entry& entry : entries_) write(file, entry);
    if (refused_ > 0) std::fprintf(file, "#refused\t%zu\n", refused_);
    entries_.clear();
    refused_ = 0;
    return std::fclose(file) == 0;
  }

 private:
  static std::string endpoint(std::uint32_t address, std::uint16_t port) {
    const in_addr raw{htonl(address)};
    std::array<char, INET_ADDRSTRLEN> text{};
    inet_ntop(AF_INET, &raw, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(port);
  }

  static void write(std::FILE* file, const Entry& entry) {
    const Identity& identity = entry.identity;
    const std::string source = endpoint(identity.source_address, identity.source_port);
    const std::string target = endpoint(identity.target_address, identity.target_port);
    std::fprintf(file, "%llu\t%llu\t%s\t%s\t%zu\t%s\t%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%s\n",
                 static_cast<unsigned long long>(entry.ingress_ns), static_cast<unsigned long long>(entry.egress_ns),
                 entry.direction == 0 ? "ab" : "ba", entry.action, entry.frame_bytes, identity.tunnel,
                 identity.transport, source.c_str(), target.c_str(), identity.ip_id, identity.sequence, identity.ack,
                 identity.payload_bytes, identity.tcp_flags, identity.dns_id,
                 identity.label[0] != 0 ? identity.label.data() : "-");
  }

  std::deque<Entry> entries_;
  std::size_t refused_ = 0;
};

// ---- one end of the cable -------------------------------------------------------------------

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// A raw socket on `interface` that hands over each received frame with its kernel stamp.
int open_port(const char* interface) {
  const int port = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (port < 0) die("socket");
  const int on = 1;
  if (setsockopt(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) die("PACKET_IGNORE_OUTGOING");
  if (setsockopt(port, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) die("SO_TIMESTAMPNS");
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

struct Held {
  std::uint64_t due_ns = 0;
  std::vector<std::uint8_t> frame;
  Entry entry;
};

/// One direction: what is done to its frames, and the frames it holds.
struct Direction {
  std::uint64_t delay_ns = 0;
  double loss_percent = 0, duplicate_percent = 0;
  unsigned lose_next = 0;  // data frames still to be dropped by `lose`
  std::deque<Held> held;
};

// ---- the cable ------------------------------------------------------------------------------

class Wire {
 public:
  Wire(const char* interface_a, const char* interface_b, std::uint64_t seed)
      : ports_{open_port(interface_a), open_port(interface_b)}, random_(seed), buffer_(kFrameBytesMax) {}

  /// Carries frames until `quit`, or an end of the control input.
  void run() {
    while (running_) {
      for (int side = 0; side < 2; ++side) receive(side);
      for (int side = 0; side < 2; ++side) release(side);
      wait();
    }
  }

 private:
  bool chance(double percent) {
    return percent > 0 && std::uniform_real_distribution<double>(0, 100)(random_) < percent;
  }

  /// Takes what has arrived at `side` and decides its fate.
  void receive(int side) {
    for (int count = 0; count < kReceiveBatch; ++count) {
      std::array<char, 256> control{};
      iovec part{buffer_.data(), buffer_.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t size = recvmsg(ports_[static_cast<std::size_t>(side)], &message, MSG_DONTWAIT);
      if (size <= 0) return;
      accept(side, stamp_of(message), Bytes(buffer_.data(), static_cast<std::size_t>(size)));
    }
  }

  static std::uint64_t stamp_of(msghdr& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec time{};
      std::memcpy(&time, CMSG_DATA(part), sizeof time);
      return to_ns(time);
    }
    return now_ns();
  }

  void accept(int side, std::uint64_t ingress_ns, Bytes frame) {
    Direction& direction = directions_[static_cast<std::size_t>(side)];
    Entry entry{.ingress_ns = ingress_ns,
                .direction = side,
                .action = "forwarded",
                .frame_bytes = frame.size(),
                .identity = {}};
    identify_ethernet(entry.identity, frame, 0);
    const bool picked = direction.lose_next > 0 && carries_data(entry.identity);
    if (picked) --direction.lose_next;
    if (picked || chance(direction.loss_percent)) {
      entry.action = "dropped";
      log_.add(entry);
      return;
    }
    const std::uint64_t due_ns = ingress_ns + direction.delay_ns;
    direction.held.push_back({due_ns, {frame.begin(), frame.end()}, entry});
    if (!chance(direction.duplicate_percent)) return;
    entry.action = "duplicated";
    direction.held.push_back({due_ns, {frame.begin(), frame.end()}, entry});
  }

  /// Sends every frame of `side` that is due, at the other side.
  void release(int side) {
    std::deque<Held>& held = directions_[static_cast<std::size_t>(side)].held;
    const int port = ports_[static_cast<std::size_t>(1 - side)];
    while (!held.empty() && held.front().due_ns <= now_ns()) {
      Held& first = held.front();
      first.entry.egress_ns = now_ns();
      if (send(port, first.frame.data(), first.frame.size(), 0) < 0) {
        first.entry.egress_ns = 0;
        first.entry.action = "failed";
      }
      log_.add(first.entry);
      held.pop_front();
    }
  }

  /// Sleeps until a frame arrives, one is nearly due, or a command comes.
  void wait() {
    std::uint64_t due_ns = ~std::uint64_t{0};
    for (const Direction& direction : directions_)
      if (!direction.held.empty()) due_ns = std::min(due_ns, direction.held.front().due_ns);
    const std::uint64_t time_ns = now_ns();
    const std::uint64_t left_ns = due_ns > time_ns ? std::min(due_ns - time_ns, kIdleWaitNs) : 0;
    const std::uint64_t sleep_ns = left_ns > kSpinNs ? left_ns - kSpinNs : 0;
    const timespec timeout{static_cast<time_t>(sleep_ns / 1'000'000'000u),
                           static_cast<long>(sleep_ns % 1'000'000'000u)};
    std::array<pollfd, 3> waits{{{ports_[0], POLLIN, 0}, {ports_[1], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    if (ppoll(waits.data(), waits.size(), &timeout, nullptr) > 0 && waits[2].revents != 0) read_commands();
  }

  void read_commands() {
    std::array<char, 4096> chunk{};
    const ssize_t size = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (size == 0) running_ = false;
    if (size <= 0) return;
    pending_.append(chunk.data(), static_cast<std::size_t>(size));
    for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (obey(line))
        std::printf("ok %llu %s\n", static_cast<unsigned long long>(now_ns()), line.c_str());
      else
        std::printf("error %s\n", line.c_str());
      std::fflush(stdout);
    }
  }

  bool obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "quit") {
      running_ = false;
      return true;
    }
    if (verb == "dump") {
      std::string path;
      return words >> path && log_.dump(path);
    }
    if (verb == "lose") return obey_lose(words);
    return obey_settings(verb, words);
  }

  bool obey_lose(std::istringstream& words) {
    std::string which;
    unsigned count = 0;
    if (!(words >> which >> count) || (which != "ab" && which != "ba")) return false;
    directions_[which == "ab" ? 0 : 1].lose_next = count;
    return true;
  }

  bool obey_settings(const std::string& which, std::istringstream& words) {
    std::uint64_t delay_us = 0;
    double loss_percent = 0, duplicate_percent = 0;
    if (!(words >> delay_us >> loss_percent >> duplicate_percent)) return false;
    if (which != "ab" && which != "ba" && which != "both") return false;
    for (std::size_t side = 0; side < 2; ++side) {
      if (which == (side == 0 ? "ba" : "ab")) continue;
      directions_[side].delay_ns = delay_us * 1000u;
      directions_[side].loss_percent = loss_percent;
      directions_[side].duplicate_percent = duplicate_percent;
    }
    return true;
  }

  std::array<int, 2> ports_;
  std::array<Direction, 2> directions_;
  std::mt19937_64 random_;
  std::vector<std::uint8_t> buffer_;
  Log log_;
  std::string pending_;  // an unfinished command line
  bool running_ = true;
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 3 || argument_count > 4) {
    std::fprintf(stderr, "usage: hoptap-lab-wire INTERFACE_A INTERFACE_B [SEED]\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1ul);
  const sched_param priority{kRealtimePriority};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) std::perror("no real-time priority, delays may waver");
  const std::uint64_t seed = argument_count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 1;
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  Wire wire(arguments[1], arguments[2], seed);
  std::printf("ready\n");
  std::fflush(stdout);
  wire.run();
  return 0;
}
