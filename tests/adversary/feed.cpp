#include "feed.h"

namespace hoptap::adversary {
namespace {

using decode::Decoded;
namespace tcp_flag = decode::tcp_flag;

std::string number(std::size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

}  // namespace

/// What is measured: callgrind collects in here alone.
extern "C" [[gnu::noinline]] void hoptap_adversary_measured(Feed& feed, const Decoded* packet,
                                                            const capture::Packet* raw) {
  static const std::array<capture::Interface, 1> interfaces{};
  Decoded decoded;
  if (raw != nullptr) {
    feed.decoder.decode(std::span(raw, 1), interfaces, std::span(&decoded, 1));
    packet = &decoded;
  }
  feed.table.add(std::span(packet, 1));
}

void Feed::put(Decoded& packet) {
  packet.time_ns = now_ns;
  hoptap_adversary_measured(*this, &packet, nullptr);
  now_ns += step_ns;
  ++sent_;
}

void Feed::put_frame(base::Bytes frame) {
  const capture::Packet packet{frame, now_ns, static_cast<std::uint32_t>(frame.size()), 0};
  hoptap_adversary_measured(*this, nullptr, &packet);
  now_ns += step_ns;
  ++sent_;
}

base::Endpoint endpoint(std::uint32_t address, std::uint16_t port) {
  const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(address >> 24),
                                          static_cast<std::uint8_t>(address >> 16),
                                          static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)};
  return {base::IpAddress::from(bytes), port};
}

Decoded packet_between(const base::Endpoint& source, const base::Endpoint& target) {
  Decoded packet;
  packet.source = source;
  packet.target = target;
  packet.ttl = 64;
  packet.ip_bytes = 40;
  packet.outcome = decode::Outcome::kTcp;
  packet.protocol = 6;
  return packet;
}

Decoded datagram(const base::Endpoint& source, const base::Endpoint& target, std::string_view payload) {
  Decoded packet = packet_between(source, target);
  packet.outcome = decode::Outcome::kUdp;
  packet.protocol = 17;
  packet.payload = base::as_bytes(payload);
  packet.payload_wire_bytes = static_cast<std::uint32_t>(payload.size());
  return packet;
}

void Talk::open() {
  ++client_.port;
  if (client_.port < 20000) client_.port = 20000;
  next_ = {feed_.random(), feed_.random()};
  put(0, next_[0]++, tcp_flag::kSyn, {});
  put(1, next_[1]++, tcp_flag::kSyn | tcp_flag::kAck, {});
  ack(0);
}

void Talk::put(std::size_t end, std::uint32_t sequence, std::uint8_t flags, std::string_view bytes) {
  Decoded packet = packet_between(end == 0 ? client_ : server_, end == 0 ? server_ : client_);
  packet.tcp.flags = flags;
  packet.tcp.sequence = sequence;
  if (!held_ack_[end]) acked_[end] = next_[1 - end];
  if ((flags & tcp_flag::kAck) != 0) packet.tcp.acknowledgment = acked_[end];
  packet.tcp.window = 60000;
  packet.ip_id = static_cast<std::uint16_t>(feed_.random() | 1);
  packet.payload = base::as_bytes(bytes);
  packet.payload_wire_bytes = static_cast<std::uint32_t>(bytes.size());
  feed_.put(packet);
}

void Talk::send(std::size_t end, std::string_view bytes) {
  const std::uint32_t sequence = next_[end];
  next_[end] += static_cast<std::uint32_t>(bytes.size());
  put(end, sequence, tcp_flag::kAck, bytes);
}

void Talk::send_at(std::size_t end, std::int64_t distance, std::string_view bytes) {
  put(end, next_[end] + static_cast<std::uint32_t>(distance), tcp_flag::kAck, bytes);
}

void Talk::ack(std::size_t end, std::uint32_t behind) {
  const std::uint32_t seen = next_[1 - end];
  next_[1 - end] -= behind;
  put(end, next_[end], tcp_flag::kAck, {});
  next_[1 - end] = seen;
}

void Talk::reset(std::size_t end) { put(end, next_[end], tcp_flag::kRst, {}); }

std::string dns(std::uint16_t id, std::string_view label, bool response) {
  std::string message = number(id) + (response ? '\x81' : '\x01') + '\0';
  message += std::string_view("\0\1\0\0\0\0\0\0", 8);
  message += static_cast<char>(label.size());
  message += label;
  return message + std::string("\0\0\1\0\1", 5);
}

std::string dns_tcp(std::uint16_t id, std::string_view label, bool response) {
  const std::string message = dns(id, label, response);
  return number(message.size()) + message;
}

}  // namespace hoptap::adversary
