// Plays TCP and UDP packets into a flow table, as a script: client.send("GET ..."), server.ack(). For tests only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "flowtable/flow_table.h"

namespace hoptap::tests {

inline constexpr std::uint64_t kMillisecond = 1'000'000;
inline constexpr std::uint64_t kSecond = 1'000'000'000;

/// Keeps what a flow table gives out.
class Recorder : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord& record) override { hops.push_back(record); }
  void leg(const flowtable::LegRecord& record) override { legs.push_back(record); }
  void metrics(const flowtable::FlowMetrics& report) override { reports.push_back(report); }

  std::vector<flowtable::HopRecord> hops;
  std::vector<flowtable::LegRecord> legs;
  std::vector<flowtable::FlowMetrics> reports;
};

inline base::Endpoint endpoint(std::uint8_t host, std::uint16_t port) {
  const std::array<std::uint8_t, 4> address{10, 0, 0, host};
  return {base::IpAddress::from(address), port};
}

class Script;

/// One end of a connection. Positions are counted from its first data byte.
class Peer {
 public:
  Peer(Script& script, const base::Endpoint& self, std::uint32_t isn, std::uint8_t ttl)
      : self_(self), script_(&script), start_(isn + 1), next_(isn + 1), ttl_(ttl) {}

  void syn();                                                  ///< with an ACK when the other end has sent its SYN
  void send(std::string_view text);                            ///< the next bytes of the stream
  void send_at(std::uint32_t at, std::string_view text);       ///< bytes at a position, without going on from there
  void send_cut(std::string_view text, std::size_t captured);  ///< the next bytes; the capture has only the first
  void lose(std::size_t count) { next_ += static_cast<std::uint32_t>(count); }  ///< sent, but not captured
  void ack() { ack_at(other().next_ - other().start_); }                        ///< all of what the other end has sent
  void ack_at(std::uint32_t at);                                                ///< up to a position of the other end
  void fin();
  void reset();
  void set_window(std::uint16_t bytes) { window_ = bytes; }
  void set_acknowledged(std::uint32_t at) {
    acknowledged_ = at, manual_ack_ = true;
  }  ///< what further data acknowledges
  void set_timestamps(std::uint32_t tsval) { tsval_ = tsval; }
  void datagram(std::string_view payload, std::size_t captured = std::string_view::npos);
  std::function<void(decode::Decoded&)> touch;  ///< changes each packet before it passes, when set

  std::uint32_t start() const { return start_; }
  std::uint32_t next() const { return next_; }
  const base::Endpoint& self() const { return self_; }

 private:
  Peer& other() const;
  decode::Decoded packet(std::uint32_t sequence, std::uint8_t flags, std::string_view text);
  void play(decode::Decoded packet);

  base::Endpoint self_;
  Script* script_;
  std::uint32_t start_;
  std::uint32_t next_;
  std::uint32_t acknowledged_ = 0;
  std::uint32_t tsval_ = 0;
  std::uint16_t window_ = 1000;
  std::uint16_t ip_id_ = 0;
  std::uint8_t ttl_;
  bool manual_ack_ = false;
  bool syn_sent_ = false;
  friend class Script;
};

/// A connection and the flow table that sees it. Each packet passes a millisecond after the one before.
class Script {
 public:
  explicit Script(const flowtable::FlowTableConfig& config = {}, std::uint16_t server_port = 80,
                  std::uint32_t client_isn = 1000, std::uint32_t server_isn = 5000)
      : client(*this, endpoint(1, 40000), client_isn, 64),
        server(*this, endpoint(2, server_port), server_isn, 64),
        table(config, 0, records) {}

  void handshake() {
    client.syn();
    server.syn();
    client.ack();
  }
  void wait(std::uint64_t ns) { now_ns += ns; }
  void play(const decode::Decoded& packet) { table.add(std::span(&packet, 1)); }

  /// No more packets. @return the hop records, in the order they were given out
  const std::vector<flowtable::HopRecord>& finish() {
    table.finish();
    return records.hops;
  }

  Recorder records;
  Peer client;
  Peer server;
  flowtable::FlowTable table;
  std::uint64_t now_ns = kSecond;
};

inline Peer& Peer::other() const { return this == &script_->client ? script_->server : script_->client; }

inline decode::Decoded Peer::packet(std::uint32_t sequence, std::uint8_t flags, std::string_view text) {
  script_->now_ns += kMillisecond;
  decode::Decoded packet;
  packet.time_ns = script_->now_ns;
  packet.outcome = decode::Outcome::kTcp;
  packet.protocol = 6;
  packet.source = self_;
  packet.target = other().self_;
  packet.ttl = ttl_;
  packet.ip_id = ++ip_id_;
  packet.tcp.sequence = sequence;
  packet.tcp.flags = flags;
  packet.tcp.window = window_;
  packet.tcp.tsval = tsval_;
  packet.tcp.has_timestamps = tsval_ != 0;
  if ((flags & decode::tcp_flag::kAck) != 0)
    packet.tcp.acknowledgment = manual_ack_ ? other().start_ + acknowledged_ : other().next_;
  packet.payload = base::as_bytes(text);
  packet.payload_wire_bytes = static_cast<std::uint32_t>(text.size());
  return packet;
}

inline void Peer::play(decode::Decoded packet) {
  if (touch) touch(packet);
  script_->play(packet);
}

inline void Peer::syn() {
  const bool answers = other().syn_sent_;
  syn_sent_ = true;
  play(packet(start_ - 1, answers ? decode::tcp_flag::kSyn | decode::tcp_flag::kAck : decode::tcp_flag::kSyn, {}));
}

inline void Peer::send(std::string_view text) {
  const std::uint32_t sequence = next_;
  next_ += static_cast<std::uint32_t>(text.size());
  play(packet(sequence, decode::tcp_flag::kAck | decode::tcp_flag::kPsh, text));
}

inline void Peer::send_at(std::uint32_t at, std::string_view text) {
  play(packet(start_ + at, decode::tcp_flag::kAck, text));
}

inline void Peer::send_cut(std::string_view text, std::size_t captured) {
  decode::Decoded cut = packet(next_, decode::tcp_flag::kAck, text);
  next_ += cut.payload_wire_bytes;
  cut.payload = cut.payload.first(captured);
  play(cut);
}

inline void Peer::ack_at(std::uint32_t at) {
  decode::Decoded ack = packet(next_, decode::tcp_flag::kAck, {});
  ack.tcp.acknowledgment = other().start_ + at;
  play(ack);
}

inline void Peer::fin() {
  play(packet(next_, decode::tcp_flag::kFin | decode::tcp_flag::kAck, {}));
  ++next_;
}

inline void Peer::reset() { play(packet(next_, decode::tcp_flag::kRst, {})); }

inline void Peer::datagram(std::string_view payload, std::size_t captured) {
  decode::Decoded datagram = packet(0, 0, payload);
  datagram.payload = datagram.payload.first(std::min(captured, payload.size()));
  datagram.outcome = decode::Outcome::kUdp;
  datagram.protocol = 17;
  datagram.tcp = {};
  play(datagram);
}

/// `text` repeated to `bytes` bytes.
inline std::string filled(std::size_t bytes, char with = 'x') { return std::string(bytes, with); }

inline std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

inline std::string ok(std::string_view body, std::string_view status = "200 OK") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

/// A DNS message with one question for type A.
inline std::string dns(std::uint16_t id, std::string_view name, bool response, std::uint8_t rcode = 0) {
  std::string message{static_cast<char>(id >> 8), static_cast<char>(id)};
  message += static_cast<char>(response ? 0x81 : 0x01);
  message += static_cast<char>(rcode);
  message += std::string_view("\0\1\0\0\0\0\0\0", 8);
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    message += static_cast<char>(dot);
    message += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  message += std::string_view("\0\0\1\0\1", 5);
  return message;
}

/// The same with its length in front, as over TCP.
inline std::string dns_tcp(std::uint16_t id, std::string_view name, bool response) {
  const std::string message = dns(id, name, response);
  return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} + message;
}

/// A TLS record of `type` with `bytes` of content.
inline std::string tls_record(std::uint8_t type, std::string_view content) {
  std::string record{static_cast<char>(type), 3, 3};
  record += static_cast<char>(content.size() >> 8);
  record += static_cast<char>(content.size());
  return record + std::string(content);
}

/// A ClientHello that names `host`.
inline std::string client_hello(std::string_view host) {
  const auto u16 = [](std::size_t value) {
    return std::string{static_cast<char>(value >> 8), static_cast<char>(value)};
  };
  const std::string name = std::string(1, '\0') + u16(host.size()) + std::string(host);
  const std::string extension = u16(0) + u16(name.size() + 2) + u16(name.size()) + name;
  std::string body = std::string{3, 3} + filled(32, 'r') + std::string(1, '\0') + u16(2) + u16(0x1301);
  body += std::string{1, 0} + u16(extension.size()) + extension;
  return tls_record(22, std::string{1, 0} + u16(body.size()) + body);
}

}  // namespace hoptap::tests
