#include "idle_flows.h"

#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <vector>

#include "flowtable/flow_table.h"
#include "measure.h"

namespace hoptap::bench {
namespace {

std::size_t resident_bytes() {
  std::size_t whole = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// A connection of its own, as decoded packets of one peer or the other.
class Connection {
 public:
  explicit Connection(std::uint32_t number) {
    constexpr std::uint32_t kClientsPerServer = 50'000;
    client_ = {base::IpAddress::from(address(0x0a010000 + number / kClientsPerServer)),
               static_cast<std::uint16_t>(1024 + number % kClientsPerServer)};
    server_ = {base::IpAddress::from(address(0x0a640001)), 80};
    next_ = {number * 2654435761u, number * 40503u};
  }
  decode::Decoded say(std::size_t sender, std::uint8_t flags, std::string_view text, std::uint64_t time_ns) {
    decode::Decoded packet;
    packet.time_ns = time_ns;
    packet.outcome = decode::Outcome::kTcp;
    packet.protocol = 6;
    packet.source = sender == 0 ? client_ : server_;
    packet.target = sender == 0 ? server_ : client_;
    packet.ttl = 64;
    packet.ip_id = static_cast<std::uint16_t>(next_[sender]);
    packet.tcp.sequence = next_[sender];
    packet.tcp.acknowledgment = next_[1 - sender];
    packet.tcp.flags = flags;
    packet.tcp.window = 500;
    packet.payload = base::as_bytes(text);
    packet.payload_wire_bytes = static_cast<std::uint32_t>(text.size());
    next_[sender] += packet.payload_wire_bytes + ((flags & decode::tcp_flag::kSyn) != 0 ? 1 : 0);
    return packet;
  }

 private:
  static std::array<std::uint8_t, 4> address(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
            static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
  }
  base::Endpoint client_, server_;
  std::array<std::uint32_t, 2> next_{};
};

/// Counts nothing and keeps nothing.
class NoSink final : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord&) override {}
  void leg(const flowtable::LegRecord&) override {}
};

}  // namespace

int measure_idle(std::size_t flows, bool with_exchange) {
  constexpr std::string_view kRequest = "GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n";
  constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  namespace flag = decode::tcp_flag;
  const std::size_t before = resident_bytes();
  flowtable::FlowTableConfig config;
  config.flows_max = flows;
  NoSink sink;
  flowtable::FlowTable table(config, 0, sink);
  const std::size_t at_start = resident_bytes();
  const CpuClock clock;
  std::uint64_t now_ns = 1'700'000'000'000'000'000;
  for (std::uint32_t number = 0; number < flows; ++number) {
    Connection connection(number);
    std::vector<decode::Decoded> packets{connection.say(0, flag::kSyn, {}, now_ns),
                                         connection.say(1, flag::kSyn | flag::kAck, {}, now_ns + 200),
                                         connection.say(0, flag::kAck, {}, now_ns + 400)};
    if (with_exchange) {
      packets.push_back(connection.say(0, flag::kAck | flag::kPsh, kRequest, now_ns + 600));
      packets.push_back(connection.say(1, flag::kAck | flag::kPsh, kResponse, now_ns + 800));
    }
    table.add(packets);
    now_ns += 1000;
  }
  const std::size_t after = resident_bytes();
  std::printf(
      "{\"flows\":%zu,\"live\":%zu,\"evicted\":%" PRIu64
      ",\"bytes_per_flow\":%.0f,\"at_start_bytes\":%zu,\"held_bytes\":%zu,\"cpu_s\":%.4f,\"flows_per_cpu_s\":%.0f}\n",
      flows, table.live_legs(), table.counters().legs_evicted,
      static_cast<double>(after - before) / static_cast<double>(flows), at_start - before, table.held_bytes(),
      clock.seconds(), static_cast<double>(flows) / clock.seconds());
  return 0;
}

}  // namespace hoptap::bench
