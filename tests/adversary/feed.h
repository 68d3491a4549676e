// What the adversarial cases play through: a decoder and a flow table with small limits that grow with the number of
// packets, so that whatever costs as much as a limit allows shows as growth, too.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "decode/decoder.h"
#include "flowtable/flow_table.h"

namespace hoptap::adversary {

inline constexpr std::uint64_t kMicrosecond = 1000, kMillisecond = 1'000'000, kSecond = 1'000'000'000;
inline constexpr std::uint64_t kBegin = 1'700'000'000 * kSecond;

/// Random numbers (xorshift64*, Vigna 2016), the same on every host.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint32_t operator()() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>(state_ * 0x2545f4914f6cdd1dULL >> 32);
  }
  std::uint32_t below(std::uint32_t limit) { return (*this)() % limit; }

 private:
  std::uint64_t state_;
};

struct Counts : flowtable::RecordSink {
  void hop(const flowtable::HopRecord& record) override {
    ++hops;
    answered += record.request.seen() && record.response.seen() ? 1 : 0;
  }
  void leg(const flowtable::LegRecord&) override { ++legs; }
  void metrics(const flowtable::FlowMetrics&) override { ++reports; }

  std::uint64_t hops = 0, answered = 0, legs = 0, reports = 0;
};

class Feed {
 public:
  Feed(const flowtable::FlowTableConfig& config, const decode::DecodeConfig& decode, std::size_t packets,
       std::uint64_t seed)
      : random(seed + 1), decoder(decode), table(config, 0, counts), wanted_(packets) {}

  bool more() const { return sent_ < wanted_; }
  std::size_t wanted() const { return wanted_; }

  /// A TCP segment, or with other outcomes what the packet says; at the feed's time, which goes on.
  void put(decode::Decoded& packet);

  /// An Ethernet frame.
  void put_frame(base::Bytes frame);

  Random random;
  std::uint64_t now_ns = kBegin;
  std::uint64_t step_ns = 10 * kMicrosecond;
  Counts counts;
  decode::Decoder decoder;
  flowtable::FlowTable table;

 private:
  std::size_t wanted_;
  std::size_t sent_ = 0;
};

base::Endpoint endpoint(std::uint32_t address, std::uint16_t port);

/// A packet between these, without L4.
decode::Decoded packet_between(const base::Endpoint& source, const base::Endpoint& target);
decode::Decoded datagram(const base::Endpoint& source, const base::Endpoint& target, std::string_view payload);

/// A TCP connection; each new one has another client port.
class Talk {
 public:
  explicit Talk(Feed& feed, std::uint16_t server_port = 80) : feed_(feed), server_(endpoint(0x0a000002, server_port)) {}

  /// The handshake of a new connection.
  void open();

  /// The next bytes of an end (0 client, 1 server), acknowledging all of the other's.
  void send(std::size_t end, std::string_view bytes);
  /// Bytes `distance` behind the next ones, which stay next.
  void send_at(std::size_t end, std::int64_t distance, std::string_view bytes);
  /// Bytes that pass unseen.
  void lose(std::size_t end, std::size_t count) { next_[end] += static_cast<std::uint32_t>(count); }
  void ack(std::size_t end, std::uint32_t behind = 0);  ///< all of the other's bytes but the last ones
  void reset(std::size_t end);

  void hold_ack(std::size_t end) { held_ack_[end] = true; }  ///< its ACK stays as it is

 private:
  void put(std::size_t end, std::uint32_t sequence, std::uint8_t flags, std::string_view bytes);

  Feed& feed_;
  base::Endpoint client_ = endpoint(0x0a000001, 20000);
  base::Endpoint server_;
  std::array<std::uint32_t, 2> next_{}, acked_{};
  std::array<bool, 2> held_ack_{};
};

/// A DNS message with one question for type A.
std::string dns(std::uint16_t id, std::string_view label, bool response);
/// With its length in front, as over TCP.
std::string dns_tcp(std::uint16_t id, std::string_view label, bool response);

struct Case {
  std::string_view name;
  void (*play)(Feed&);
};

std::span<const Case> reassembly_cases();
std::span<const Case> message_cases();
std::span<const Case> exchange_cases();
std::span<const Case> flow_cases();
std::span<const Case> frame_cases();

}  // namespace hoptap::adversary
