#include "flowtable/half_stream.h"

#include <algorithm>

#include "flowtable/retransmission.h"
#include "flowtable/tcp_steps.h"

namespace hoptap::flowtable {

using base::Bytes;

namespace {

/// Pieces in the way of bytes from `sequence` on: ordered by their ends.
struct EndsBefore {
  bool operator()(const Piece& piece, std::uint32_t sequence) const {
    return sequence_distance(piece.end(), sequence) <= 0;
  }
  bool operator()(std::uint32_t sequence, const Piece& piece) const {
    return sequence_distance(sequence, piece.end()) < 0;
  }
};

std::size_t memory_of(const Piece& piece) { return sizeof(Piece) + piece.captured_bytes; }

}  // namespace

void HalfStream::start(std::uint32_t sequence) {
  side_.started = true;
  side_.next = sequence;
  if (!side_.ack_seen && !side_.isn_known) side_.start = sequence;
}

/// The part [from, to) of a segment; the captured bytes as far as they reach.
Segment HalfStream::slice(const Segment& segment, std::uint32_t from, std::uint32_t to) {
  const std::size_t offset = std::min<std::size_t>(from - segment.sequence, segment.bytes.size());
  const std::size_t length = std::min<std::size_t>(to - from, segment.bytes.size() - offset);
  return {from, to - from, segment.bytes.subspan(offset, length), segment.stamp};
}

Segment HalfStream::segment_of(const Piece& piece) {
  return {piece.sequence, piece.wire_bytes, Bytes(piece.data(), piece.captured_bytes), piece.stamp};
}

void HalfStream::copied(const Segment& segment, std::uint32_t end, bool whole) {
  if (ledger_.session != nullptr) ledger_.session->copied(direction_, segment.sequence, end, whole, segment.stamp);
}

bool HalfStream::add(const Segment& segment) {
  if (segment.wire_bytes == 0) return false;
  if (!side_.started) start(segment.sequence);
  if (segment.bytes.size() < segment.wire_bytes) flow_.flags |= record_flag::kTruncated;
  const std::uint32_t highest_before = highest();
  if (sequence_distance(segment.end(), side_.next) > 0) {
    add_new(segment);
    return sequence_distance(segment.end(), highest_before) > 0;
  }
  // RFC 9293 section 3.8.4: the last byte, while nothing is outstanding; or a probe of a closed window (3.8.6.1).
  const bool owed = side_.ack_seen && sequence_distance(side_.acked, segment.end()) < 0;
  const bool probes = !owed || state_.zero_window_since_ns != 0;
  if (probes && segment.wire_bytes == 1 && segment.end() == side_.next) {
    ++state_.metrics.keep_alives;
    return false;
  }
  count_retransmission({segment.end(), highest_before, segment.stamp.time_ns}, side_, state_);
  copied(segment, segment.end(), true);
  return false;
}

/// A segment of which some lies behind `next`.
void HalfStream::add_new(const Segment& segment) {
  const bool below_highest = sequence_distance(segment.sequence, highest()) < 0;
  if (sequence_distance(segment.sequence, side_.next) > 0) {
    if (below_highest) ++state_.metrics.out_of_order;
    hold(segment);
    return;
  }
  if (sequence_distance(segment.sequence, side_.next) < 0) copied(segment, side_.next, false);
  if (below_highest && segment.sequence == side_.next) ++state_.metrics.out_of_order;
  while (sequence_distance(segment.end(), side_.next) > 0) {  // what is held came first and wins
    const bool overlaps =
        !state_.pieces.empty() && sequence_distance(state_.pieces.begin()->sequence, segment.end()) < 0;
    pass(slice(segment, side_.next, overlaps ? state_.pieces.begin()->sequence : segment.end()));
    drain();
  }
}

/// Hands in-order data on.
void HalfStream::pass(const Segment& segment) {
  side_.next = segment.end();
  Session* session = ledger_.session;
  if (session == nullptr) return;
  session->deliver(direction_, segment.bytes, segment.sequence, segment.stamp);
  if (segment.bytes.size() < segment.wire_bytes) session->cut(direction_, segment.wire_bytes - segment.bytes.size());
}

/// Keeps what of the segment is not held yet; the first copy of a byte wins.
void HalfStream::hold(Segment segment) {
  bool anything_new = false;
  const std::uint32_t begin = segment.sequence, end = segment.end();
  auto at = state_.pieces.empty() || sequence_distance(begin, highest()) >= 0
                ? state_.pieces.end()
                : state_.pieces.lower_bound(begin, EndsBefore{});
  while (segment.wire_bytes > 0) {
    if (at == state_.pieces.end() || sequence_distance(at->sequence, end) >= 0) {
      insert(segment);
      anything_new = true;
      break;
    }
    if (sequence_distance(segment.sequence, at->sequence) < 0) {
      insert(slice(segment, segment.sequence, at->sequence));
      anything_new = true;
    }
    if (sequence_distance(end, at->end()) <= 0) break;
    segment = slice(segment, at->end(), end);
    ++at;
  }
  if (!anything_new) {
    --state_.metrics.out_of_order;  // it was counted as such: nothing of it is new
    count_retransmission({end, highest(), segment.stamp.time_ns}, side_, state_);
  }
  const auto over = [this] {
    return state_.held_bytes > context_.config.held_bytes_flow_max ||
           context_.held_bytes > context_.config.held_bytes_max;
  };
  while (!state_.pieces.empty() && over()) skip_to(state_.pieces.begin()->sequence, false);
}

/// Cuts what is longer than a block of the pool.
void HalfStream::insert(const Segment& segment) {
  constexpr std::uint32_t kPieceBytes = 64u << 10;
  for (std::uint32_t from = segment.sequence; from != segment.end();) {
    const std::uint32_t to = from + std::min(kPieceBytes, segment.end() - from);
    insert_piece(slice(segment, from, to));
    from = to;
  }
}

void HalfStream::insert_piece(const Segment& segment) {
  const std::size_t bytes = ledger_.session != nullptr ? segment.bytes.size() : 0;
  void* block = context_.memory.allocate(sizeof(Piece) + bytes, alignof(Piece));
  Piece& piece = *new (block) Piece;
  piece.sequence = segment.sequence;
  piece.wire_bytes = segment.wire_bytes;
  piece.captured_bytes = static_cast<std::uint32_t>(bytes);
  piece.stamp = segment.stamp;
  std::copy_n(segment.bytes.begin(), bytes, piece.data());
  const bool last = state_.pieces.empty() || sequence_distance(state_.pieces.rbegin()->sequence, piece.sequence) < 0;
  if (last) {
    state_.pieces.push_back(piece);
  } else {
    state_.pieces.insert(piece);
  }
  state_.held_bytes += memory_of(piece);
  context_.held_bytes += memory_of(piece);
}

void HalfStream::drop(const Pieces::iterator& at) {
  Piece& piece = *at;
  state_.pieces.erase(at);
  state_.held_bytes -= memory_of(piece);
  context_.held_bytes -= memory_of(piece);
  context_.memory.deallocate(&piece, sizeof(Piece) + piece.captured_bytes, alignof(Piece));
}

/// Passes on held data that has become in order.
void HalfStream::drain() {
  while (!state_.pieces.empty()) {
    const auto first = state_.pieces.begin();
    if (sequence_distance(first->sequence, side_.next) > 0) break;
    if (sequence_distance(first->end(), side_.next) > 0) pass(slice(segment_of(*first), side_.next, first->end()));
    drop(first);
  }
  if (!side_.ack_seen || sequence_distance(side_.acked, side_.next) <= 0) state_.hole_since_ns = 0;
}

void HalfStream::acknowledged(std::uint32_t ack, std::uint64_t now_ns) {
  if (side_.fin_seen && ack == side_.fin_sequence + 1) ack = side_.fin_sequence;
  if (!side_.ack_seen) {
    side_.ack_seen = true;
    const bool before = (side_.started || side_.isn_known) && sequence_distance(ack, side_.start) < 0;
    if (before && side_.isn_known) ack = side_.start;  // nothing of its bytes
    if (!side_.isn_known && (!side_.started || before)) side_.start = ack;
    side_.acked = ack;
  } else if (sequence_distance(ack, side_.acked) > 0) {
    advance_acknowledgment(side_, ack);
  }
  // One byte past the end may be a FIN that was not captured.
  const std::int32_t missing = side_.started ? sequence_distance(side_.acked, side_.next) : 0;
  if (missing > 0 && state_.hole_since_ns == 0 && (missing > 1 || !state_.pieces.empty()))
    state_.hole_since_ns = now_ns;
}

void HalfStream::give_up_holes(std::uint64_t now_ns, bool final) {
  if (!side_.started) return;  // nothing is known of where its bytes begin
  const bool due =
      state_.hole_since_ns != 0 && time_between(state_.hole_since_ns, now_ns) >= context_.config.gap_grace_ns;
  if (!due && !final) return;
  Pieces& pieces = state_.pieces;
  while (side_.ack_seen && sequence_distance(side_.acked, side_.next) > (pieces.empty() ? 1 : 0)) {
    const bool held_first = !pieces.empty() && sequence_distance(pieces.begin()->sequence, side_.acked) <= 0;
    skip_to(held_first ? pieces.begin()->sequence : side_.acked, true);
  }
  state_.hole_since_ns = 0;
  if (!final) return;
  while (!pieces.empty()) skip_to(pieces.begin()->sequence, false);
}

/// Gives up everything between `next` and `sequence`, then passes on what is held behind it.
void HalfStream::skip_to(std::uint32_t sequence, bool acknowledged) {
  const std::uint32_t count = sequence - side_.next;
  ++context_.counters.gaps;
  context_.counters.gap_bytes += count;
  if (acknowledged) state_.metrics.unseen_bytes += count;
  if (ledger_.session != nullptr) ledger_.session->gap(direction_, side_.next, count);
  side_.next = sequence;
  drain();
}

void HalfStream::forget_held() {
  while (!state_.pieces.empty()) drop(state_.pieces.begin());
}

}  // namespace hoptap::flowtable
