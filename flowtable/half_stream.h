// One direction of a TCP connection: puts segments in order (RFC 9293 section 3.10.7.4) and finds holes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "flowtable/session.h"
#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// The data of one TCP segment. Borrows.
struct Segment {
  std::uint32_t sequence = 0;
  std::uint32_t wire_bytes = 0;  ///< may be more than bytes.size() when the capture cut the packet
  base::Bytes bytes;
  Stamp stamp;

  std::uint32_t end() const { return sequence + wire_bytes; }
};

/// What is done to one direction of a flow; made for the moment, keeps nothing. In-order data goes straight through;
/// only data behind a hole is copied, and its bytes only when a session wants them.
class HalfStream {
 public:
  HalfStream(Direction direction, Flow& flow, Ledger& ledger, TableContext& context)
      : direction_(direction),
        flow_(flow),
        ledger_(ledger),
        side_(flow.side(direction)),
        state_(ledger.side(direction)),
        context_(context) {}

  /// The first byte that will come has this sequence number.
  void start(std::uint32_t sequence);

  /// Data has passed. Starts the stream when it has not begun. @return is any of it beyond all that was sent before?
  bool add(const Segment& segment);

  /// The receiver has everything before `ack`: bytes below it that we lack were not captured.
  void acknowledged(std::uint32_t ack, std::uint64_t now_ns);

  /// Gives up a hole that the receiver has filled and that our capture will not.
  /// @param final  no more packets will come
  void give_up_holes(std::uint64_t now_ns, bool final);

  /// One past the highest byte seen.
  std::uint32_t highest() const { return state_.pieces.empty() ? side_.next : state_.pieces.rbegin()->end(); }

  void forget_held();

 private:
  void add_new(const Segment& segment);
  void pass(const Segment& segment);
  void hold(Segment segment);
  void insert(const Segment& segment);
  void insert_piece(const Segment& segment);
  void drop(const Pieces::iterator& piece);
  void drain();
  void skip_to(std::uint32_t sequence, bool acknowledged);
  void copied(const Segment& segment, std::uint32_t end, bool whole);
  static Segment slice(const Segment& segment, std::uint32_t from, std::uint32_t to);
  static Segment segment_of(const Piece& piece);

  Direction direction_;
  Flow& flow_;
  Ledger& ledger_;
  FlowSide& side_;
  LedgerSide& state_;
  TableContext& context_;
};

}  // namespace hoptap::flowtable
