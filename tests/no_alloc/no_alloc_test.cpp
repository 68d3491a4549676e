// The engine allocates nothing once it is warm: a first part of some traffic is played, then another part that is
// like it, and during that one operator new must not be called. HOPTAP_TRAP_ALLOCATION=1 stops at the first call.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "counted_new.h"
#include "decode/decoder.h"
#include "flowtable/flow_table.h"
#include "packet_builder.h"

namespace hoptap {
namespace {

constexpr std::uint64_t kMicrosecond = 1000, kSecond = 1'000'000'000;
constexpr std::size_t kBatch = 256;

/// Frames in the order they pass.
class Traffic {
 public:
  std::uint64_t now_ns = 1'700'000'000 * kSecond;

  void put(test::Buffer frame) {
    frames_.push_back(std::move(frame));
    times_.push_back(now_ns);
    now_ns += 50 * kMicrosecond;
  }
  void swap_last_two() { std::swap(frames_[frames_.size() - 1], frames_[frames_.size() - 2]); }
  void repeat(std::size_t back) { put(test::Buffer(frames_[frames_.size() - back])); }
  std::size_t size() const { return frames_.size(); }
  capture::Packet packet(std::size_t at) const { return test::packet_of(frames_[at], times_[at]); }

 private:
  std::vector<test::Buffer> frames_;
  std::vector<std::uint64_t> times_;
};

/// One HTTP connection.
class Connection {
 public:
  Connection(Traffic& traffic, std::uint32_t client, std::uint16_t port)
      : traffic_(traffic), client_(client), port_(port), next_{client * 977u + port * 31u, port * 7919u} {}

  void open() {
    send(0, test::kSyn);
    send(1, test::kSyn | test::kAck);
    send(0, test::kAck);
  }
  /// A request and its response in several segments; `disorder` swaps two of them, sends one again and splits a head.
  void exchange(std::uint32_t number, std::size_t body_bytes, bool disorder) {
    const std::string id = std::to_string(100'000 + number);
    const std::string request = "GET /items/" + id +
                                "?from=test HTTP/1.1\r\nHost: shop.example\r\nX-Request-Id: " + id +
                                "-0123456789abcdef\r\nAccept: */*\r\n\r\n";
    const std::size_t cut = disorder ? 40 : request.size();
    send(0, test::kAck | test::kPsh, request.substr(0, cut));
    if (disorder) send(0, test::kAck | test::kPsh, request.substr(cut));
    const std::string response = "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: " + std::to_string(body_bytes) +
                                 "\r\n\r\n" + std::string(body_bytes, 'b');
    constexpr std::size_t kSegment = 1400;
    for (std::size_t at = 0; at < response.size(); at += kSegment) {
      send(1, test::kAck, response.substr(at, kSegment));
      if (disorder && at == kSegment) traffic_.swap_last_two();
      if (disorder && at == 2 * kSegment) repeat(1);
      if (at / kSegment % 2 == 1) send(0, test::kAck);
    }
    send(0, test::kAck);
  }
  void close() {
    send(0, test::kFin | test::kAck);
    send(1, test::kFin | test::kAck);
    send(0, test::kAck);
  }

 private:
  void repeat(std::size_t back) {
    traffic_.now_ns += 250'000 * kMicrosecond;  // a timeout: no copy by the capture
    traffic_.repeat(back);
  }
  void send(std::size_t sender, std::uint8_t flags, std::string_view payload = {}) {
    const bool opens = (flags & test::kSyn) != 0, ends = (flags & test::kFin) != 0;
    const auto tsval = static_cast<std::uint32_t>(traffic_.now_ns / 1'000'000);
    const test::Buffer segment = test::tcp({.source_port = sender == 0 ? port_ : std::uint16_t{80},
                                            .target_port = sender == 0 ? std::uint16_t{80} : port_,
                                            .sequence = next_[sender],
                                            .acknowledgment = (flags & test::kAck) != 0 ? next_[1 - sender] : 0,
                                            .flags = flags,
                                            .options = test::timestamps_option(tsval, tsval)},
                                           test::text(payload));
    constexpr std::uint32_t kServer = 0x0a000002;
    traffic_.put(test::ethernet({}, test::ipv4({.source = sender == 0 ? client_ : kServer,
                                                .target = sender == 0 ? kServer : client_,
                                                .id = ++ip_id_[sender]},
                                               segment)));
    next_[sender] += static_cast<std::uint32_t>(payload.size()) + (opens || ends ? 1 : 0);
  }

  Traffic& traffic_;
  std::uint32_t client_;
  std::uint16_t port_;
  std::array<std::uint32_t, 2> next_;
  std::array<std::uint16_t, 2> ip_id_{};
};

/// A question for A and its answer.
void ask(Traffic& traffic, std::uint16_t port, std::uint16_t id) {
  constexpr std::uint32_t kClient = 0x0a000007, kResolver = 0x0a000035;
  for (const bool response : {false, true}) {
    test::Writer message;
    message.u16(id).u16(response ? 0x8180 : 0x0100).u16(1).u16(0).u16(0).u16(0);
    message.u8(4).add(test::text("shop")).u8(7).add(test::text("example")).u8(0).u16(1).u16(1);
    const std::uint16_t dns = 53;
    const test::Buffer datagram = test::udp(
        {.source_port = response ? dns : port, .target_port = response ? port : dns, .length = {}}, message.take());
    traffic.put(test::ethernet({}, test::ipv4({.source = response ? kResolver : kClient,
                                               .target = response ? kClient : kResolver,
                                               .protocol = 17,
                                               .id = id},
                                              datagram)));
  }
}

/// Reads what it is lent and keeps nothing.
class Counter final : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord& record) override {
    ++hops;
    answered += record.response.seen() ? 1 : 0;
  }
  void leg(const flowtable::LegRecord&) override { ++legs; }
  void metrics(const flowtable::FlowMetrics&) override { ++reports; }

  std::uint64_t hops = 0, answered = 0, legs = 0, reports = 0;
};

/// Decoder and table; what they need is made before the first packet.
class Engine {
 public:
  explicit Engine(const flowtable::FlowTableConfig& config, const decode::DecodeConfig& decoding = {})
      : table(config, 0, sink), decoder(decoding) {}

  /// Plays a part of the traffic. @return allocations meanwhile
  std::uint64_t play(const Traffic& traffic, std::size_t from, std::size_t to) {
    const std::uint64_t before = tests::allocations();
    for (std::size_t at = from; at < to; at += kBatch) {
      const std::size_t count = std::min(kBatch, to - at);
      for (std::size_t each = 0; each < count; ++each) packets_[each] = traffic.packet(at + each);
      decoder.decode(std::span(packets_).first(count), interfaces_, decoded_);
      table.add(std::span(decoded_).first(count));
    }
    return tests::allocations() - before;
  }

  Counter sink;
  flowtable::FlowTable table;
  decode::Decoder decoder;

 private:
  std::array<capture::Interface, 1> interfaces_{};
  std::vector<capture::Packet> packets_{kBatch};
  std::vector<decode::Decoded> decoded_{kBatch};
};

flowtable::FlowTableConfig small_config() {
  flowtable::FlowTableConfig config;
  config.flows_max = 256;
  config.metrics_interval_ns = kSecond;
  return config;
}

/// Plays the first part, then expects that the second one allocates nothing and that both were understood.
void expect_none(const Traffic& traffic, std::size_t warm, std::uint64_t exchanges) {
  Engine engine(small_config());
  const std::uint64_t at_first = engine.play(traffic, 0, warm);
  const tests::Taken before = tests::taken();
  tests::trap_on_allocation(std::getenv("HOPTAP_TRAP_ALLOCATION") != nullptr);
  const std::uint64_t later = engine.play(traffic, warm, traffic.size());
  tests::trap_on_allocation(false);
  EXPECT_EQ(tests::taken(), before) << "malloc() or mmap()";
  EXPECT_EQ(later, 0u) << "in " << traffic.size() - warm << " packets; " << at_first << " in the " << warm
                       << " before them";
  engine.table.finish();
  EXPECT_EQ(engine.sink.answered, exchanges);
  EXPECT_EQ(engine.table.counters().gaps, 0u);
}

/// Twenty connections that stay, requests in turn, some segments out of order, DNS from a few ports.
TEST(NoAlloc, ConnectionsThatStay) {
  constexpr std::uint32_t kConnections = 20, kRounds = 40;
  Traffic traffic;
  std::vector<Connection> connections;
  for (std::uint16_t at = 0; at < kConnections; ++at) connections.emplace_back(traffic, 0x0a000001, 40000 + at);
  for (Connection& connection : connections) connection.open();
  std::size_t warm = 0;
  std::uint64_t exchanges = 0;
  for (std::uint32_t round = 0; round < 2 * kRounds; ++round) {
    if (round == kRounds) warm = traffic.size();
    for (std::uint32_t at = 0; at < kConnections; ++at) {
      connections[at].exchange(round * kConnections + at, 200 + (at * 977 + round * 331) % 9000, (at + round) % 7 == 0);
      ++exchanges;
    }
    for (std::uint16_t question = 0; question < 4; ++question, ++exchanges)
      ask(traffic, static_cast<std::uint16_t>(50000 + question), static_cast<std::uint16_t>(round * 4 + question + 1));
    traffic.now_ns += kSecond / 10;
  }
  expect_none(traffic, warm, exchanges);
}

/// Connections and DNS ports that come and go, more than the table may hold.
TEST(NoAlloc, ConnectionsThatComeAndGo) {
  constexpr std::uint32_t kConnections = 1500;
  Traffic traffic;
  std::size_t warm = 0;
  std::uint64_t exchanges = 0;
  for (std::uint32_t at = 0; at < 2 * kConnections; ++at) {
    if (at == kConnections) warm = traffic.size();
    Connection connection(traffic, 0x0a000001 + at % 50, static_cast<std::uint16_t>(20000 + at));
    connection.open();
    for (std::uint32_t number = 0; number < 3; ++number, ++exchanges)
      connection.exchange(at * 3 + number, 100 + (at * 31 + number * 977) % 6000, (at + number) % 5 == 0);
    if (at % 3 != 0) connection.close();  // the others are left to the limit of the table
    ask(traffic, static_cast<std::uint16_t>(20000 + at), static_cast<std::uint16_t>(at + 1));
    ++exchanges;
  }
  expect_none(traffic, warm, exchanges);
}

/// An answer of 2,000 bytes in two fragments, in either order; of every eighth the last one never comes.
void answer_in_fragments(Traffic& traffic, std::uint16_t id) {
  constexpr std::size_t kCut = 1400, kBytes = 2000;
  const test::Buffer datagram = test::udp({.source_port = 53, .target_port = 40000}, test::Buffer(kBytes, 'x'));
  std::vector<test::Buffer> parts =
      test::ipv4_fragments({.source = 0x0a000035, .target = 0x0a000007, .protocol = 17, .id = id}, datagram, {kCut});
  if (id % 8 == 0) parts.pop_back();
  for (const test::Buffer& part : parts) traffic.put(test::ethernet({}, part));
  if (id % 3 == 0 && parts.size() > 1) traffic.swap_last_two();
}

/// Datagrams that are completed, that are given up after their time, and that make room for others.
TEST(NoAlloc, Fragments) {
  constexpr std::uint16_t kDatagrams = 4000;
  Traffic traffic;
  std::size_t warm = 0;
  for (std::uint16_t at = 0; at < 2 * kDatagrams; ++at) {
    if (at == kDatagrams) warm = traffic.size();
    if (at % 1000 == 0) traffic.now_ns += 40 * kSecond;
    answer_in_fragments(traffic, at);
  }
  decode::DecodeConfig config;
  config.reassembly.datagrams_max = 64;
  Engine engine(small_config(), config);
  engine.play(traffic, 0, warm);
  const tests::Taken before = tests::taken();
  const decode::ReassemblyCounters at_first = engine.decoder.reassembly_counters();
  EXPECT_EQ(engine.play(traffic, warm, traffic.size()), 0u);
  EXPECT_EQ(tests::taken(), before) << "malloc() or mmap()";
  const decode::ReassemblyCounters& later = engine.decoder.reassembly_counters();
  EXPECT_EQ(later.completed - at_first.completed, kDatagrams - kDatagrams / 8);
  EXPECT_GT(later.timed_out, at_first.timed_out);
  EXPECT_GT(later.evicted, at_first.evicted);
}

/// The count itself: one call is one.
TEST(NoAlloc, CountsWhatIsAllocated) {
  const std::uint64_t before = tests::allocations();
  const std::vector<int> numbers(100);
  EXPECT_EQ(tests::allocations() - before, 1u) << numbers.size();
  const tests::Taken taken = tests::taken();
  if (taken == tests::Taken{}) return;  // sanitized
  constexpr std::size_t kBytes = 1u << 20;
  const std::unique_ptr<void, void (*)(void*)> more(std::malloc(kBytes), std::free);
  EXPECT_NE(tests::taken().malloc_bytes, taken.malloc_bytes) << more.get();
  const std::size_t pages = tests::taken().address_space_pages;
  void* const mapped = ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_GT(tests::taken().address_space_pages, pages);
  ::munmap(mapped, kBytes);
}

}  // namespace
}  // namespace hoptap
