// One direction of a TCP connection: puts segments in order (RFC 9293 section 3.10.7.4) and finds holes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "flowtable/session.h"

namespace hoptap::flowtable {

/// The data of one TCP segment. Borrows.
struct Segment {
  std::uint32_t sequence = 0;
  std::uint32_t wire_bytes = 0;  ///< may be more than bytes.size() when the capture cut the packet
  base::Bytes bytes;
  Stamp stamp;

  std::uint32_t end() const { return sequence + wire_bytes; }
};

/// Owned by its flow. In-order data goes straight through; only data behind a hole is copied.
class HalfStream {
 public:
  HalfStream(Direction direction, Leg& leg, TableContext& context)
      : direction_(direction), leg_(leg), context_(context) {}
  ~HalfStream() { forget_held(); }
  HalfStream(const HalfStream&) = delete;
  HalfStream& operator=(const HalfStream&) = delete;

  /// The first byte that will come has this sequence number.
  void start(std::uint32_t sequence);
  bool started() const { return started_; }
  std::uint32_t next() const { return next_; }

  /// Data has passed. Starts the stream when it has not begun.
  void add(const Segment& segment, Session& session);

  /// The sender will send nothing from `sequence` on.
  void finish_at(std::uint32_t sequence);
  bool finished() const { return fin_seen_ && started_ && sequence_distance(next_, fin_sequence_) >= 0; }

  /// The receiver has everything before `ack`: bytes below it that we lack were not captured.
  void acknowledged(std::uint32_t ack, std::uint64_t now_ns);

  /// Gives up a hole that the receiver has filled and that our capture will not.
  /// @param final  no more packets will come
  void give_up_holes(std::uint64_t now_ns, bool final, Session& session);
  bool has_acknowledged_hole() const { return hole_since_ns_ != 0; }

  /// Bytes acknowledged by the receiver since the first one we know of.
  std::uint64_t acknowledged_bytes() const { return acknowledged_bytes_; }

 private:
  /// A segment behind a hole, its bytes copied.
  struct Held {
    std::uint32_t sequence = 0;
    std::uint32_t wire_bytes = 0;
    std::vector<std::uint8_t> bytes;
    Stamp stamp;

    std::uint32_t end() const { return sequence + wire_bytes; }
  };

  void pass(const Segment& segment, Session& session);
  void hold(Segment segment, Session& session);
  void insert(const Segment& piece, std::size_t at);
  void drain(Session& session);
  void skip_to(std::uint32_t sequence, bool acknowledged, Session& session);
  void forget_held();
  static Segment slice(const Segment& segment, std::uint32_t from, std::uint32_t to);
  static std::size_t cost(const Held& held);

  Direction direction_;
  Leg& leg_;
  TableContext& context_;
  bool started_ = false;
  bool fin_seen_ = false;
  bool ack_seen_ = false;
  std::uint32_t next_ = 0;     ///< next byte in order
  std::uint32_t highest_ = 0;  ///< one past the highest byte seen
  std::uint32_t fin_sequence_ = 0;
  std::uint32_t ack_ = 0;  ///< highest acknowledgment
  std::uint64_t acknowledged_bytes_ = 0;
  std::uint64_t hole_since_ns_ = 0;  ///< when a hole was first known to be filled at the receiver; 0: none
  std::vector<Held> held_;           ///< behind the hole, by sequence, not overlapping
  std::size_t held_bytes_ = 0;
};

}  // namespace hoptap::flowtable
