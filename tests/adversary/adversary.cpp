// Plays what an attacker would send into a flow table. For adversary_test.py, which counts the instructions.
//
// usage: hoptap-adversary CASE PACKETS
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "decode/decoded.h"
#include "flowtable/flow_table.h"

namespace {

using namespace hoptap;
namespace tcp_flag = decode::tcp_flag;

class Count : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord&) override { ++hops; }
  void leg(const flowtable::LegRecord&) override { ++legs; }
  std::uint64_t hops = 0, legs = 0;
};

/// A table with small limits, and the packets of one attacker.
class Attack {
 public:
  Attack() : table_(config(), 0, count_) {}

  void finish() {
    table_.finish();
    std::printf("%llu hop records, %llu legs\n", static_cast<unsigned long long>(count_.hops),
                static_cast<unsigned long long>(count_.legs));
  }

  /// A segment from the client (or the server) of connection 0, at a position of its stream.
  void segment(bool from_client, std::uint32_t at, std::string_view bytes, std::uint32_t ack = 0) {
    decode::Decoded packet = blank(6, 40000);
    packet.tcp.flags = tcp_flag::kAck;
    packet.tcp.sequence = 1000 + at;
    packet.tcp.acknowledgment = 1000 + ack;
    packet.payload = base::as_bytes(bytes);
    packet.payload_wire_bytes = static_cast<std::uint32_t>(bytes.size());
    play(packet, from_client);
  }
  void syn(std::uint32_t host) {
    decode::Decoded packet = blank(6, static_cast<std::uint16_t>(host));
    packet.source.address.bytes[13] = static_cast<std::uint8_t>(host >> 8);
    packet.source.address.bytes[14] = static_cast<std::uint8_t>(host >> 16);
    packet.source.address.bytes[15] = static_cast<std::uint8_t>(host >> 24);
    packet.tcp.flags = tcp_flag::kSyn;
    play(packet, true);
  }
  void handshake() {
    decode::Decoded packet = blank(6, 40000);
    packet.tcp.flags = tcp_flag::kSyn;
    packet.tcp.sequence = 999;
    play(packet, true);
    packet.tcp.flags = tcp_flag::kSyn | tcp_flag::kAck;
    packet.tcp.acknowledgment = 1000;
    play(packet, false);
    segment(true, 0, {});
  }
  /// A datagram to port 53 from a host of its own, or with a tunnel, MAC and TTL of its own.
  void datagram(std::uint32_t number, std::string_view bytes, bool other_wire) {
    decode::Decoded packet = blank(17, static_cast<std::uint16_t>(1024 + number % 60000));
    packet.target.port = 53;
    packet.payload = base::as_bytes(bytes);
    packet.payload_wire_bytes = static_cast<std::uint32_t>(bytes.size());
    if (other_wire) {
      packet.tunnels.depth = 1;
      packet.tunnels.layers[0] = {base::TunnelType::kVxlan, number, {}, {}};
      packet.link.source.bytes[5] = static_cast<std::uint8_t>(number);
      packet.link.source.bytes[4] = static_cast<std::uint8_t>(number >> 8);
    }
    play(packet, true);
  }
  void query(std::uint16_t id, std::uint16_t port) {
    std::string message{
        static_cast<char>(id >> 8), static_cast<char>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
    decode::Decoded packet = blank(17, port);
    packet.target.port = 53;
    packet.payload = base::as_bytes(message);
    packet.payload_wire_bytes = static_cast<std::uint32_t>(message.size());
    play(packet, true);
  }
  void wait(std::uint64_t ns) { now_ns_ += ns; }

 private:
  static flowtable::FlowTableConfig config() {
    flowtable::FlowTableConfig config;
    config.flows_max = 4096;
    config.ledgers_max = 1024;
    config.metrics_interval_ns = 1'000'000'000;
    return config;
  }
  decode::Decoded blank(std::uint8_t protocol, std::uint16_t port) {
    decode::Decoded packet;
    packet.time_ns = now_ns_ += 1000;
    packet.outcome = protocol == 6 ? decode::Outcome::kTcp : decode::Outcome::kUdp;
    packet.protocol = protocol;
    packet.source.address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
    packet.target.address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2};
    packet.source.port = port;
    packet.target.port = 80;
    packet.ttl = 64;
    packet.ip_id = ++ip_id_;
    packet.ip_bytes = 60;
    return packet;
  }
  void play(decode::Decoded& packet, bool from_client) {
    if (!from_client) std::swap(packet.source, packet.target);
    table_.add(std::span(&packet, 1));
  }

  Count count_;
  flowtable::FlowTable table_;
  std::uint64_t now_ns_ = 1'000'000'000;
  std::uint16_t ip_id_ = 0;
};

constexpr std::uint32_t kSpread = 40503;  // odd: i * kSpread visits all of a power of two

using Play = void (*)(Attack&, std::uint32_t packets);
struct Case {
  std::string_view name;
  Play play;
};

constexpr std::array kCases{
    Case{"tiny-forward",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, 10 + 2 * i, "x");
         }},
    Case{"tiny-reverse",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, 10 + 2 * (n - i), "x");
         }},
    Case{"tiny-random",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, 10 + 2 * (i * kSpread % (1u << 20)), "x");
         }},
    Case{"overlapping",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           const std::string bytes(700, 'x');
           for (std::uint32_t i = 0; i < n; ++i)
             a.segment(true, 10 + i * kSpread % (1u << 16), std::string_view(bytes).substr(0, 1 + i * 31 % 699));
         }},
    Case{"same-again",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           a.segment(true, 0, "GET / HTTP/1.1\r\n\r\n");
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, 0, "GET / HTTP/1.1\r\n\r\n");
         }},
    Case{"head-by-byte",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           const std::string head = "GET /" + std::string(n, 'a');
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, i, std::string_view(head).substr(i, 1));
         }},
    Case{"fields-by-byte",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           std::string head = "GET / HTTP/1.1\r\n";
           while (head.size() < n) head += "a: b\r\n";
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, i, std::string_view(head).substr(i, 1));
         }},
    Case{"unknown-by-byte",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           for (std::uint32_t i = 0; i < n; ++i) a.segment(true, i, i % 3 == 0 ? "G" : i % 3 == 1 ? "E" : "T");
         }},
    Case{"pipelined",
         [](Attack& a, std::uint32_t n) {
           a.handshake();
           std::uint32_t at = 0;
           for (std::uint32_t i = 0; i < n; ++i, at += 18) {
             a.segment(true, at, "GET / HTTP/1.1\r\n\r\n");
             a.segment(false, 0, {}, at);
           }
         }},
    Case{"ids-unanswered",
         [](Attack& a, std::uint32_t n) {
           for (std::uint32_t i = 0; i < n; ++i) a.query(static_cast<std::uint16_t>(i * kSpread), 5000);
         }},
    Case{"syn-flood",
         [](Attack& a, std::uint32_t n) {
           for (std::uint32_t i = 0; i < n; ++i) a.syn(i * 2654435761u);
         }},
    Case{"udp-flood",
         [](Attack& a, std::uint32_t n) {
           for (std::uint32_t i = 0; i < n; ++i) a.datagram(i * kSpread, "x", false);
         }},
    Case{"tunnels",
         [](Attack& a, std::uint32_t n) {
           for (std::uint32_t i = 0; i < n; ++i) a.datagram(i, "x", true);
         }},
    Case{"time-leaps",
         [](Attack& a, std::uint32_t n) {
           for (std::uint32_t i = 0; i < n; ++i) {
             if (i % 5000 == 0) a.wait(400'000'000'000);  // everything is due at once
             a.syn(i * 2654435761u);
           }
         }},
};

}  // namespace

int main(int count, char** arguments) {
  const auto named = [&](const Case& one) { return count == 3 && one.name == arguments[1]; };
  const auto found = std::find_if(kCases.begin(), kCases.end(), named);
  if (found == kCases.end()) {
    std::fprintf(stderr, "usage: hoptap-adversary CASE PACKETS; cases:\n");
    for (const Case& one : kCases) std::fprintf(stderr, "%.*s\n", static_cast<int>(one.name.size()), one.name.data());
    return 2;
  }
  Attack attack;
  found->play(attack, static_cast<std::uint32_t>(std::strtoul(arguments[2], nullptr, 10)));
  attack.finish();
}
