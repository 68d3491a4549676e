// hoptap-lab-wire: a cable between two Ethernet interfaces that delays, loses and duplicates
// frames, and keeps its own log of what it did to each. The log is the truth the product is held
// against, so nothing here is shared with the product's decoder.
//
// usage: hoptap-lab-wire NAMESPACE_A/INTERFACE_A NAMESPACE_B/INTERFACE_B [SEED]
//
// Control: one command a line on standard input. Frames of direction `ab` enter at A, leave at B.
//   ab|ba|both DELAY_US LOSS_PERCENT DUPLICATE_PERCENT    from now on
//   lose ab|ba COUNT     drop the next COUNT frames that carry data (TCP payload or a DNS message)
//   every N KIND [US]    a fault for each request whose number N divides, see wire_faults.h; `every 0` ends it
//   dump FILE            write the log collected so far to FILE, then forget it
//   quit
// Each command is answered by one line on standard output: `ok TIME_NS COMMAND` or `error COMMAND`.
// `ready` is printed once at the start. All times are nanoseconds of CLOCK_REALTIME, the clock
// that packet captures use.
//
// One thread. A frame is held until (kernel receive stamp + delay); order is kept per direction, but frames that a
// fault of their own request delays are overtaken. Log entries stay in memory until `dump`: no file is written while
// frames pass.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/lab/wire_faults.h"
#include "tests/lab/wire_log.h"
#include "tests/lab/wire_port.h"
#include "tests/lab/wire_reset.h"

namespace hoptap::lab {
namespace {

constexpr int kReceiveBatch = 64;          // frames taken from one side before the other is looked at
constexpr std::uint64_t kSpinNs = 50'000;  // the last stretch before a frame is due is spun, not slept
constexpr std::uint64_t kIdleWaitNs = 100'000'000;
constexpr int kRealtimePriority = 50;

bool carries_data(const Identity& identity) { return identity.payload_bytes > 0; }

struct Held {
  std::uint64_t due_ns = 0;
  std::vector<std::uint8_t> frame;
  Entry entry;
};

/// One direction: what is done to its frames, and the frames it holds.
struct Direction {
  std::uint64_t delay_ns = 0;
  double loss_percent = 0, duplicate_percent = 0;
  unsigned lose_next = 0;         // data frames still to be dropped by `lose`
  std::uint64_t last_due_ns = 0;  // of the frames that only wait like all others
  std::deque<Held> held;          // by due time
};

class Wire {
 public:
  Wire(const std::string& end_a, const std::string& end_b, std::uint64_t seed)
      : ports_{Port(end_a), Port(end_b)}, random_(seed) {}

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
      const std::optional<Received> received = ports_[static_cast<std::size_t>(side)].receive();
      if (!received) return;
      accept(side, received->time_ns, received->frame);
    }
  }

  void accept(int side, std::uint64_t ingress_ns, Bytes frame) {
    Direction& direction = directions_[static_cast<std::size_t>(side)];
    Entry entry{.ingress_ns = ingress_ns,
                .direction = side,
                .action = "forwarded",
                .frame_bytes = frame.size(),
                .identity = identify(frame)};
    const Fate fate = faults_.decide(static_cast<Side>(side), entry.identity);
    const bool picked = direction.lose_next > 0 && carries_data(entry.identity);
    if (picked) --direction.lose_next;
    if (fate.drop || picked || chance(direction.loss_percent)) {
      if (fate.label != nullptr) set_label(entry.identity, fate.label);
      entry.action = "dropped";
      log_.add(entry);
      if (fate.reset) inject_resets(entry, frame);
      return;
    }
    direction.last_due_ns = std::max(direction.last_due_ns, ingress_ns + direction.delay_ns);
    const std::uint64_t due_ns = direction.last_due_ns + fate.extra_ns;
    hold(side, {due_ns, {frame.begin(), frame.end()}, entry});
    if (!chance(direction.duplicate_percent)) return;
    entry.action = "duplicated";
    hold(side, {due_ns, {frame.begin(), frame.end()}, entry});
  }

  /// Behind all frames that are due before it or with it.
  void hold(int side, Held frame) {
    std::deque<Held>& held = directions_[static_cast<std::size_t>(side)].held;
    const auto later = [](std::uint64_t due_ns, const Held& other) { return due_ns < other.due_ns; };
    held.insert(std::upper_bound(held.begin(), held.end(), frame.due_ns, later), std::move(frame));
  }

  /// Resets for both ends of the connection of `swallowed`, at once.
  void inject_resets(const Entry& swallowed, Bytes frame) {
    for (const ResetFor reader : {ResetFor::kSender, ResetFor::kReceiver}) {
      const std::vector<std::uint8_t> reset = make_reset(frame, reader, ++reset_ip_id_);
      Entry entry{.ingress_ns = swallowed.ingress_ns,
                  .direction = reader == ResetFor::kReceiver ? swallowed.direction : 1 - swallowed.direction,
                  .action = "injected",
                  .frame_bytes = reset.size(),
                  .identity = identify(reset)};
      set_label(entry.identity, swallowed.identity.label.data());
      hold(entry.direction, {now_ns(), reset, entry});
    }
  }

  /// Sends every frame of `side` that is due, at the other side.
  void release(int side) {
    std::deque<Held>& held = directions_[static_cast<std::size_t>(side)].held;
    Port& port = ports_[static_cast<std::size_t>(1 - side)];
    while (!held.empty() && held.front().due_ns <= now_ns()) {
      Held& first = held.front();
      first.entry.egress_ns = port.send(first.frame);
      if (first.entry.egress_ns == 0) first.entry.action = "failed";
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
    std::array<pollfd, 3> waits{
        {{ports_[0].descriptor(), POLLIN, 0}, {ports_[1].descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
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
    if (verb == "every") return faults_.set(words);
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

  std::array<Port, 2> ports_;
  std::array<Direction, 2> directions_;
  Faults faults_;
  std::uint16_t reset_ip_id_ = 0;
  std::mt19937_64 random_;
  Log log_;
  std::string pending_;  // an unfinished command line
  bool running_ = true;
};

}  // namespace
}  // namespace hoptap::lab

int main(int argument_count, char** arguments) {
  if (argument_count < 3 || argument_count > 4) {
    std::fprintf(stderr, "usage: hoptap-lab-wire NAMESPACE_A/INTERFACE_A NAMESPACE_B/INTERFACE_B [SEED]\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1ul);
  const sched_param priority{hoptap::lab::kRealtimePriority};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) std::perror("no real-time priority, delays may waver");
  const std::uint64_t seed = argument_count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 1;
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  hoptap::lab::Wire wire(arguments[1], arguments[2], seed);
  std::printf("ready\n");
  std::fflush(stdout);
  wire.run();
  return 0;
}
