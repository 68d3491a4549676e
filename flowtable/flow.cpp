#include "flowtable/flow.h"

#include <algorithm>

#include "base/hash.h"

namespace hoptap::flowtable {

using decode::Decoded;
using decode::Outcome;
namespace tcp_flag = decode::tcp_flag;

namespace {

constexpr std::uint32_t kLeapBytes = 64u << 20;  // farther than any window in use: another connection

/// Without a handshake the server is the side with the port that services use.
bool looks_like_server(std::uint16_t port, std::uint16_t other_port) {
  constexpr std::uint16_t kSystemPorts = 1024;    // RFC 6335 section 6
  constexpr std::uint16_t kDynamicPorts = 32768;  // where Linux and most others take client ports from
  if ((port < kSystemPorts) != (other_port < kSystemPorts)) return port < kSystemPorts;
  if ((port < kDynamicPorts) != (other_port < kDynamicPorts)) return port < kDynamicPorts;
  return false;
}

/// Is the sender of this first packet the server?
bool sent_by_server(const Decoded& packet) {
  if (packet.outcome == Outcome::kTcp && packet.tcp.has(tcp_flag::kSyn)) return packet.tcp.has(tcp_flag::kAck);
  return looks_like_server(packet.source.port, packet.target.port);
}

Stamp stamp_of(const Decoded& packet) {
  const decode::Tcp& tcp = packet.tcp;
  return {packet.time_ns, tcp.acknowledgment, tcp.tsval, tcp.tsecr, packet.ip_id, packet.ttl, tcp.has(tcp_flag::kAck)};
}

std::uint64_t hash_of(const base::Endpoint& endpoint) {
  return base::hash_bytes(endpoint.address.bytes, endpoint.port);
}

}  // namespace

Flow::Flow(const Decoded& first, std::uint32_t point, std::uint32_t twin, TableContext& context) : context_(context) {
  LegRecord& record = leg_.record;
  const bool from_server = sent_by_server(first);
  record.point = point;
  record.transport = first.protocol;
  record.client = from_server ? first.target : first.source;
  record.server = from_server ? first.source : first.target;
  record.vantage = {first.link, first.tunnels};
  if (from_server) std::swap(record.vantage.link.source, record.vantage.link.target);
  record.first_ns = record.last_ns = first.time_ns;
  record.leg_id = base::hash_values(hash_of(record.client), hash_of(record.server), record.transport, twin,
                                    first.outcome == Outcome::kTcp ? first.tcp.sequence : 0,
                                    first.outcome == Outcome::kTcp ? 0 : first.time_ns);
  if (first.outcome != Outcome::kTcp) return;
  direction_known_ = first.tcp.has(tcp_flag::kSyn);
  if (!direction_known_ || from_server) record.flags |= record_flag::kMidStream;
  for (const Direction direction : {Direction::kToServer, Direction::kToClient})
    halves_[index_of(direction)] = std::make_unique<HalfStream>(direction, leg_, context_);
}

Session& Flow::session() {
  if (!session_) session_ = std::make_unique<Session>(leg_, context_);
  return *session_;
}

Direction Flow::direction_of(const Decoded& packet) const {
  return packet.source == leg_.record.client ? Direction::kToServer : Direction::kToClient;
}

void Flow::count_duplicate(const Decoded& packet) { ++counts(direction_of(packet)).duplicates_removed; }

bool Flow::is_reused_by(const Decoded& packet) const {
  if (packet.outcome != Outcome::kTcp) return false;
  const Direction direction = direction_of(packet);
  const HalfStream& half = *halves_[index_of(direction)];
  const decode::Tcp& tcp = packet.tcp;
  if (tcp.has(tcp_flag::kSyn)) {
    if (!half.started()) return !tcp.has(tcp_flag::kAck) && (direction == Direction::kToClient || session_ != nullptr);
    if (direction == Direction::kToClient && !tcp.has(tcp_flag::kAck)) return true;  // the roles have changed
    const bool known = direction == Direction::kToServer ? leg_.record.syn_ns != 0 : leg_.record.syn_ack_ns != 0;
    const std::uint32_t isn = direction == Direction::kToServer ? leg_.record.client_isn : leg_.record.server_isn;
    return known ? tcp.sequence != isn : session_ != nullptr && tcp.sequence + 1 != half.next();
  }
  if (!half.started() || packet.payload_wire_bytes == 0) return false;
  const std::int32_t leap = sequence_distance(tcp.sequence, half.next());
  return leap > static_cast<std::int32_t>(kLeapBytes) || leap < -static_cast<std::int32_t>(kLeapBytes);
}

void Flow::add(const Decoded& packet) {
  if (!direction_known_ && packet.outcome == Outcome::kTcp && !packet.payload.empty()) {
    direction_known_ = true;  // the guess by ports is settled by the first bytes, if a protocol knows them
    const auto spoken = Session::spoken_direction(packet.payload, packet.source.port, packet.target.port);
    if (spoken && *spoken != direction_of(packet)) turn_around();
  }
  const Direction direction = direction_of(packet);
  LegRecord::Direction& count = counts(direction);
  if (count.packets++ == 0) count.ttl = packet.ttl;
  count.bytes += packet.payload_wire_bytes;
  leg_.record.last_ns = std::max(leg_.record.last_ns, packet.time_ns);
  if (packet.outcome == Outcome::kTcp) {
    add_tcp(packet, direction);
  } else {
    add_udp(packet, direction);
  }
}

/// What was taken for the client is the server. Only before any data.
void Flow::turn_around() {
  LegRecord& record = leg_.record;
  std::swap(record.client, record.server);
  std::swap(record.to_server, record.to_client);
  constexpr auto kOfClient = closing::kClientFin | closing::kClientReset;
  constexpr auto kOfServer = closing::kServerFin | closing::kServerReset;
  record.closing = static_cast<std::uint8_t>((record.closing & kOfClient) << 1 | (record.closing & kOfServer) >> 1);
  session_.reset();
  std::swap(record.vantage.link.source, record.vantage.link.target);
  std::swap(leg_.health[0], leg_.health[1]);
  std::swap(leg_.resets[0], leg_.resets[1]);
  for (const Direction direction : {Direction::kToServer, Direction::kToClient})
    halves_[index_of(direction)] = std::make_unique<HalfStream>(direction, leg_, context_);
  std::swap(last_ack_[0], last_ack_[1]);
  std::swap(last_window_[0], last_window_[1]);
  std::swap(zero_window_since_ns_[0], zero_window_since_ns_[1]);
}

void Flow::add_tcp(const Decoded& packet, Direction direction) {
  const decode::Tcp& tcp = packet.tcp;
  if (tcp.has(tcp_flag::kSyn)) note_handshake(packet, direction);
  if (tcp.has(tcp_flag::kAck)) note_acknowledgment(packet, direction);
  if (!tcp.has(tcp_flag::kRst)) note_window(packet, direction);
  const std::uint32_t sequence = tcp.sequence + (tcp.has(tcp_flag::kSyn) ? 1 : 0);
  if (packet.payload_wire_bytes > 0 && !tcp.has(tcp_flag::kRst))
    half(direction).add({sequence, packet.payload_wire_bytes, packet.payload, stamp_of(packet)}, session());
  for (const Direction each : {Direction::kToServer, Direction::kToClient})
    if (half(each).has_acknowledged_hole()) half(each).give_up_holes(packet.time_ns, false, session());
  note_close(packet, direction);
}

void Flow::add_udp(const Decoded& packet, Direction direction) {
  session().datagram(direction, packet.payload, stamp_of(packet));
}

void Flow::note_handshake(const Decoded& packet, Direction direction) {
  LegRecord& record = leg_.record;
  const bool is_answer = packet.tcp.has(tcp_flag::kAck);
  if (is_answer != (direction == Direction::kToClient)) return;  // a simultaneous open (RFC 9293 section 3.5)
  std::uint64_t& seen_ns = is_answer ? record.syn_ack_ns : record.syn_ns;
  std::uint32_t& isn = is_answer ? record.server_isn : record.client_isn;
  if (seen_ns != 0) {
    ++counts(direction).syn_copies;
    return;
  }
  direction_known_ = true;
  seen_ns = packet.time_ns;
  isn = packet.tcp.sequence;
  if (!is_answer) record.syn_fingerprint = base::hash_bytes(packet.tcp.options);
  if (!half(direction).started()) half(direction).start(isn + 1);
  if (record.syn_ns != 0 && record.syn_ack_ns != 0) record.flags |= record_flag::kHandshakeSeen;
}

void Flow::note_acknowledgment(const Decoded& packet, Direction direction) {
  const decode::Tcp& tcp = packet.tcp;
  const Direction data = opposite(direction);
  LegRecord& record = leg_.record;
  const bool plain = !tcp.has(tcp_flag::kSyn) && !tcp.has(tcp_flag::kFin) && !tcp.has(tcp_flag::kRst);
  if (direction == Direction::kToServer && plain && record.ack_ns == 0 && record.syn_ack_ns != 0 &&
      tcp.acknowledgment == record.server_isn + 1)
    record.ack_ns = packet.time_ns;
  if (tcp.has(tcp_flag::kRst)) return;
  const HalfStream& own = this->half(direction);
  if (session_ && own.started() && sequence_distance(tcp.sequence, own.next()) <= 0)
    session_->had_received(direction, tcp.acknowledgment);
  HalfStream& half = this->half(data);
  DirectionHealth& health = leg_.health[index_of(data)];
  const bool pure = packet.payload_wire_bytes == 0 && plain;
  // RFC 5681 section 2: nothing new acknowledged, no data, same window, while data is outstanding.
  if (pure && tcp.acknowledgment == last_ack_[index_of(data)] && tcp.window == last_window_[index_of(data)] &&
      half.started() && sequence_distance(half.next(), tcp.acknowledgment) > 0)
    ++health.duplicate_acks;
  health.sack_blocks += tcp.sack_blocks;
  last_ack_[index_of(data)] = tcp.acknowledgment;
  last_window_[index_of(data)] = tcp.window;
  half.acknowledged(tcp.acknowledgment, packet.time_ns);
  if (session_) session_->acknowledged(data, tcp.acknowledgment, packet.time_ns, pure);
}

void Flow::note_window(const Decoded& packet, Direction direction) {
  const Direction data = opposite(direction);
  std::uint64_t& since_ns = zero_window_since_ns_[index_of(data)];
  const bool closed = packet.tcp.window == 0 && !packet.tcp.has(tcp_flag::kSyn);
  if (!closed) return open_window(data, packet.time_ns);
  if (since_ns == 0) since_ns = packet.time_ns;
}

/// The receiver's window is no longer zero, or the leg has ended.
void Flow::open_window(Direction data, std::uint64_t now_ns) {
  std::uint64_t& since_ns = zero_window_since_ns_[index_of(data)];
  if (since_ns != 0) leg_.health[index_of(data)].zero_window_ns += now_ns - std::min(now_ns, since_ns);
  since_ns = 0;
}

void Flow::note_close(const Decoded& packet, Direction direction) {
  const decode::Tcp& tcp = packet.tcp;
  const bool from_client = direction == Direction::kToServer;
  if (tcp.has(tcp_flag::kRst)) {
    leg_.record.closing |= from_client ? closing::kClientReset : closing::kServerReset;
    Reset& reset = leg_.resets[index_of(direction)];
    const LegRecord::Direction& count = counts(direction);
    if (!reset.seen())
      reset = {packet.time_ns, packet.ip_id, packet.ttl, count.packets > 1 ? count.ttl : std::uint8_t{0}};
    ended_ = true;
    return;
  }
  HalfStream& half = this->half(direction);
  if (tcp.has(tcp_flag::kFin)) {
    leg_.record.closing |= from_client ? closing::kClientFin : closing::kServerFin;
    half.finish_at(tcp.sequence + packet.payload_wire_bytes);
  }
  for (const Direction each : {Direction::kToServer, Direction::kToClient})
    if (session_ && this->half(each).finished()) session_->end_of_stream(each);
  if (this->half(Direction::kToServer).finished() && this->half(Direction::kToClient).finished()) ended_ = true;
}

void Flow::settle() {
  if (session_) session_->settle();
}

void Flow::close(CloseType reason) {
  LegRecord& record = leg_.record;
  if (halves_[0]) {
    for (const Direction data : {Direction::kToServer, Direction::kToClient}) open_window(data, record.last_ns);
    for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
      if (session_) half(direction).give_up_holes(record.last_ns, true, session());
      if (session_ && half(direction).finished()) session_->end_of_stream(direction);
    }
  }
  if (record.to_server.packets == 0 || record.to_client.packets == 0) record.flags |= record_flag::kOneDirection;
  if (session_) session_->close();
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    LegRecord::Direction& count = counts(direction);
    const DirectionHealth& health = leg_.health[index_of(direction)];
    count.retransmissions = health.retransmissions;
    count.out_of_order = health.out_of_order;
    count.unseen_bytes = health.unseen_bytes;
    if (halves_[0]) count.acknowledged_bytes = half(direction).acknowledged_bytes();
  }
  const bool reset = (record.closing & (closing::kClientReset | closing::kServerReset)) != 0;
  record.close = !ended_ ? reason : reset ? CloseType::kReset : CloseType::kFin;
  context_.sink.leg(record);
}

}  // namespace hoptap::flowtable
