// The bytes of one leg, in order, become messages: detection, parsing, bodies passed over, gaps.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <vector>

#include "decode/decoded.h"
#include "decode/l7/parser.h"
#include "flowtable/exchange_queue.h"
#include "flowtable/held_bytes.h"
#include "flowtable/located.h"

namespace hoptap::flowtable {

/// The application side of one leg. Owned by its flow; used by the table's thread.
class Session {
 public:
  Session(Flow& flow, Ledger& ledger, TableContext& context);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// All of a plain packet (plain_packet.h), which its flow has already. advances: it acknowledges what was not
  /// acknowledged before. Whatever it calls it calls last: so it needs no stack.
  void add(const decode::Decoded& packet, Direction direction, bool advances) {
    const std::uint32_t payload_bytes = packet.payload_wire_bytes;
    Side& sent = side(direction);
    if (payload_bytes == 0) return add_acknowledgment(packet, sent);
    if (advances || sent.to_skip <= payload_bytes || busy_) return deliver_segment(packet, sent, advances);
    note_data(sent, packet.time_ns);  // within the body of the open message, and all else is at rest
    sent.latest_ns = std::max(sent.latest_ns, packet.time_ns);
    sent.sequence = packet.tcp.sequence + payload_bytes;
    if (sent.to_skip != decode::l7::kToTheEnd) sent.to_skip -= payload_bytes;
  }

  /// The next bytes of the stream, in order; none, when nothing of the segment was captured. Borrows them only while it
  /// runs.
  void deliver(Direction direction, base::Bytes bytes, std::uint32_t sequence, const Stamp& stamp);

  /// The next `count` bytes of the stream, not 0, passed in the segment delivered last, of which the capture kept the
  /// beginning only.
  void cut(Direction direction, std::uint64_t count);

  /// The next `count` bytes of the stream were not captured: nobody knows when they passed, nor what the other side
  /// said meanwhile.
  void gap(Direction direction, std::uint32_t sequence, std::uint64_t count);

  /// One UDP payload, of `wire_bytes` of which these were captured.
  void datagram(Direction direction, base::Bytes payload, std::uint32_t wire_bytes, const Stamp& stamp);

  /// [sequence, end) passed again; `whole`: in a segment that had nothing new.
  void copied(Direction direction, std::uint32_t sequence, std::uint32_t end, bool whole, const Stamp& stamp);

  /// The receiver of `direction` acknowledged all before `ack`; `pure`: in a segment without data.
  void acknowledged(Direction direction, std::uint32_t ack, std::uint64_t time_ns, bool pure) {
    acknowledged(side(direction), ack, time_ns, pure);
  }

  /// The sender of `direction` had received all before `ack` when it had sent no more than has been delivered.
  void had_received(Direction direction, std::uint32_t ack) { note_received(side(direction), ack); }

  /// The sender has closed: a message that lasts to the end has ended.
  void end_of_stream(Direction direction);

  /// The application protocol; "" before it is known. A static string.
  std::string_view protocol() const { return protocol_; }
  std::uint32_t exchanges() const { return exchanges_.given_out(); }

  /// Nothing has come for a while: finished exchanges are given out.
  void settle();

  /// The leg has ended: everything is given out.
  void close();

  /// Which way do the first bytes of a leg go, if a protocol can tell by them?
  static std::optional<Direction> spoken_direction(base::Bytes first, std::uint16_t source_port,
                                                   std::uint16_t target_port);

 private:
  // What is declared inline is defined in session.cpp, where alone it is called: once for every message.

  /// From here on, bytes of one direction came in this segment.
  struct Mark {
    std::uint32_t sequence = 0;
    Stamp stamp;
    std::uint64_t passed_ns = 0;  ///< when all bytes up to the segment's end had passed
  };

  /// A wait of the sender for the acknowledgment of all it had sent, inside a message.
  struct AckWait {
    std::uint64_t last_data_ns = 0;
    std::uint64_t ack_ns = 0;      ///< 0: none since the last data
    std::uint64_t longest_ns = 0;  ///< data to ACK
    std::uint64_t release_ns = 0;  ///< that ACK to the next data
  };

  struct Side {
    Side(Direction direction_, std::pmr::memory_resource* memory)
        : direction(direction_), held(memory), more_marks(memory) {}

    Direction direction;
    Side* other = nullptr;              ///< what goes the other way
    HeldBytes held;                     ///< bytes that the parser has not taken yet
    Mark mark;                          ///< the segment that carried the first byte of what is being parsed
    std::pmr::vector<Mark> more_marks;  ///< those behind it, while bytes are held
    std::uint64_t to_skip = 0;          ///< bytes of the open message still to pass over
    std::uint64_t latest_ns = 0;        ///< when all bytes so far had passed
    std::uint32_t sequence = 0;         ///< of the first byte not taken
    Exchange* open = nullptr;           ///< whose message has not ended
    bool in_message = false;            ///< also when the message has no exchange (interim)
    bool more = false;                  ///< further parts follow what is skipped
    bool upgrades = false;              ///< when it ends, another protocol begins
    bool is_head = false;               ///< Message::is_head
    std::uint32_t mark_bytes = 0;       ///< memory of more_marks, in TableContext::held_bytes
    bool placed = true;                 ///< at a message start; else it has to be looked for
    bool turn_goes_on = false;          ///< not placed, and what is passed over belongs to the turn
    bool pumping = false;
    bool seen = false;    ///< any byte, or a hole
    bool in_gap = false;  ///< what is being passed over was not captured
    bool own_ack_known = false;
    std::uint32_t begin_ack = 0;  ///< acknowledged by the segment that the open message began in
    std::uint32_t own_ack = 0;    ///< what its sender had received of the other direction, before any hole
    std::uint32_t acked = 0;      ///< highest acknowledgment of this direction
    std::uint64_t acked_ns = 0;   ///< when it first passed; 0: none yet
    AckWait wait;
  };

  Side& side(Direction direction) { return located(sides_[index_of(direction)]); }

  /// Has a message of this side begun, known or not?
  static bool is_inside(const Side& side) { return side.in_message || !side.held.empty(); }

  /// Has the open message parts that are yet to be found?
  static bool goes_on(const Side& side) { return side.in_message && side.more; }

  /// Data: closes the wait that an ACK has begun.
  static void note_data(Side& side, std::uint64_t time_ns) {
    AckWait& wait = side.wait;
    if (wait.ack_ns != 0 && wait.ack_ns - wait.last_data_ns > wait.longest_ns && is_inside(side)) {
      wait.longest_ns = wait.ack_ns - wait.last_data_ns;
      wait.release_ns = time_ns - wait.ack_ns;
    }
    wait.ack_ns = 0;
    wait.last_data_ns = time_ns;
  }
  static void note_received(Side& side, std::uint32_t ack) {
    if (side.own_ack_known && sequence_distance(ack, side.own_ack) <= 0) return;
    side.own_ack = ack;
    side.own_ack_known = true;
  }
  /// @return is it the first to acknowledge so much?
  static bool note_acknowledged(Side& side, std::uint32_t ack, std::uint64_t time_ns) {
    if (side.acked_ns != 0 && sequence_distance(ack, side.acked) <= 0) return false;
    side.acked = ack;
    side.acked_ns = time_ns;
    return true;
  }
  static bool awaits_wait(const Side& side) { return side.wait.ack_ns == 0 && is_inside(side); }
  void acknowledged(Side& side, std::uint32_t ack, std::uint64_t time_ns, bool pure) {
    const bool first = note_acknowledged(side, ack, time_ns);
    if (pure && awaits_wait(side)) note_wait(side, ack, time_ns);
    if (first) exchanges_.acknowledged(side.direction, ack, time_ns);
  }
  void add_acknowledgment(const decode::Decoded& packet, Side& sent);
  void deliver_segment(const decode::Decoded& packet, Side& sent, bool advances);
  /// An acknowledgment of all that was sent, inside a message: the sender may be waiting for it.
  static void note_wait(Side& side, std::uint32_t ack, std::uint64_t time_ns) {
    const std::uint32_t sent = side.sequence + static_cast<std::uint32_t>(side.held.size());
    if (ack == sent && time_ns >= side.wait.last_data_ns) side.wait.ack_ns = time_ns;
  }
  [[gnu::always_inline]] inline void take(Side& side, base::Bytes bytes, std::uint32_t sequence, const Stamp& stamp);
  void take_behind_held(Side& side, base::Bytes bytes, std::uint32_t sequence, const Stamp& stamp);
  void hold(Side& side, base::Bytes bytes);
  void rest(Side& side);
  void count_marks(Side& side);
  void drop_marks(Side& side);
  void drop_held(Side& side, std::size_t count);
  void pump_cut(Side& side);
  void release_held(Side& side, std::size_t count);
  /// Passes over bytes of the open message. @return how many of the available ones
  inline std::size_t skip(Side& side, std::size_t available);
  void advance(Side& side, std::size_t count) { side.sequence += static_cast<std::uint32_t>(count); }
  [[gnu::always_inline]] inline std::size_t parse(Side& side, base::Bytes bytes);
  void pump(Side& side);
  std::optional<const decode::l7::Parser*> recognise(const Side& side, base::Bytes first);
  bool detect(Side& side, base::Bytes first);
  bool is_opaque() const { return parser_ == &decode::l7::kOpaqueParser; }
  bool redetect_turn(Side& side, base::Bytes first);
  void settle_turn(Side& side, std::uint64_t time_ns);
  void begin_turn(Side& side, base::Bytes bytes, const Stamp& stamp);
  void finish_at_turn(Side& side);
  void leave_end_to_turn(Side& side);
  void end_turns_at_hole(Side& side);
  inline std::uint32_t received(const Side& side) const;
  bool handshake_seen() const { return (flow_.flags & record_flag::kHandshakeSeen) != 0; }
  std::uint16_t server_port() const { return flow_.key.port(1u - flow_.client_end); }
  void use(const decode::l7::Parser& parser);
  std::size_t find_place(Side& side, base::Bytes bytes);
  std::size_t find_place_in_turn(Side& side, base::Bytes bytes);
  inline void begin(Side& side, const decode::l7::Message& message, base::Bytes bytes);
  inline void finish(Side& side);
  std::size_t resume(Side& side);
  void abandon(Side& side);
  void lose_place(Side& side);
  void doubt_place(const Side& side);
  void upgrade();
  void forget_marks(Side& side);
  static std::pmr::vector<Mark>::const_iterator first_mark_from(const Side& side, std::uint32_t sequence);
  static const Stamp& stamp_at(const Side& side, std::uint32_t sequence) {
    return side.more_marks.empty() ? side.mark.stamp : marked_at(side, sequence).stamp;
  }
  static const Mark& marked_at(const Side& side, std::uint32_t sequence);
  static bool begins_segment(const Side& side) { return marked_at(side, side.sequence).sequence == side.sequence; }
  static inline std::uint64_t passed_ns(const Side& side);
  void cut_message(Side& side, std::uint64_t count);
  void cut_turn(Side& side, std::uint64_t count);
  void pass_unread(Side& side, std::uint64_t count);
  static void forget_partial_hash(const Side& side);
  static void note_gap(Side& side);
  void leave_unseen(Side& side, std::uint64_t count);

  Flow& flow_;
  TableContext& context_;
  ExchangeQueue exchanges_;
  const decode::l7::Parser* parser_ = nullptr;
  std::string_view protocol_;
  decode::l7::ParserState state_;
  std::array<Side, 2> sides_;
  std::uint32_t messages_ = 0;  ///< parsed since the protocol was detected
  Direction turn_ = Direction::kToServer;
  std::uint8_t turns_probed_ = 0;
  bool turn_settled_ = false;  ///< the turn is known to be opaque
  bool settling_ = false;      ///< detection waits for no more bytes
  bool undetectable_ = false;
  bool was_cut_ = false;                        ///< segments of the leg were
  bool encrypted_ = false, handshake_ = false;  ///< what the latest message was
  bool busy_ = false;  ///< bytes wait on some side, or turns are looked at: what passes has to be delivered
};

}  // namespace hoptap::flowtable
