#include "flowtable/half_stream.h"

#include <algorithm>

namespace hoptap::flowtable {

using base::Bytes;

void HalfStream::start(std::uint32_t sequence) {
  started_ = true;
  next_ = highest_ = sequence;
}

/// The part [from, to) of a segment; the captured bytes as far as they reach.
Segment HalfStream::slice(const Segment& segment, std::uint32_t from, std::uint32_t to) {
  const std::size_t offset = std::min<std::size_t>(from - segment.sequence, segment.bytes.size());
  const std::size_t length = std::min<std::size_t>(to - from, segment.bytes.size() - offset);
  return {from, to - from, segment.bytes.subspan(offset, length), segment.stamp};
}

std::size_t HalfStream::cost(const Held& held) { return held.bytes.size() + sizeof(Held); }

void HalfStream::add(const Segment& segment, Session& session) {
  if (segment.wire_bytes == 0) return;
  if (!started_) start(segment.sequence);
  auto& health = leg_.health[index_of(direction_)];
  const bool keep_alive = segment.wire_bytes <= 1 && segment.end() == next_;  // RFC 9293 section 3.8.4
  if (sequence_distance(segment.end(), next_) <= 0) {
    if (keep_alive) return;
    ++health.retransmissions;
    session.copied(direction_, segment.sequence, segment.end(), true, segment.stamp);
    return;
  }
  const bool below_highest = sequence_distance(segment.sequence, highest_) < 0;
  if (sequence_distance(segment.end(), highest_) > 0) highest_ = segment.end();
  if (sequence_distance(segment.sequence, next_) > 0) {
    if (below_highest) ++health.out_of_order;
    hold(segment, session);
    return;
  }
  if (sequence_distance(segment.sequence, next_) < 0)
    session.copied(direction_, segment.sequence, next_, false, segment.stamp);
  if (below_highest && sequence_distance(segment.sequence, next_) == 0) ++health.out_of_order;
  while (sequence_distance(segment.end(), next_) > 0) {  // what is held came first and wins
    const bool overlaps = !held_.empty() && sequence_distance(held_.front().sequence, segment.end()) < 0;
    pass(slice(segment, next_, overlaps ? held_.front().sequence : segment.end()), session);
    drain(session);
  }
}

/// Hands in-order data on.
void HalfStream::pass(const Segment& segment, Session& session) {
  if (!segment.bytes.empty()) session.deliver(direction_, segment.bytes, segment.sequence, segment.stamp);
  next_ = segment.end();
  if (segment.bytes.size() < segment.wire_bytes) {
    leg_.record.flags |= record_flag::kTruncated;
    session.gap(direction_, segment.sequence + static_cast<std::uint32_t>(segment.bytes.size()),
                segment.wire_bytes - segment.bytes.size(), !segment.bytes.empty());
  }
}

/// Keeps what of the segment is not held yet; the first copy of a byte wins.
void HalfStream::hold(Segment segment, Session& session) {
  const std::size_t pieces_before = held_.size();
  std::size_t at = 0;
  while (segment.wire_bytes > 0) {
    const auto ends_before = [](const Held& held, std::uint32_t from) {
      return sequence_distance(held.end(), from) <= 0;
    };
    at = static_cast<std::size_t>(
        std::lower_bound(held_.begin() + static_cast<std::ptrdiff_t>(at), held_.end(), segment.sequence, ends_before) -
        held_.begin());
    if (at == held_.size() || sequence_distance(held_[at].sequence, segment.end()) >= 0) {
      insert(segment, at);
      break;
    }
    const std::uint32_t end = segment.end();
    if (sequence_distance(segment.sequence, held_[at].sequence) < 0) {
      insert(slice(segment, segment.sequence, held_[at].sequence), at);
      ++at;
    }
    if (sequence_distance(end, held_[at].end()) <= 0) break;
    segment = slice(segment, held_[at].end(), end);
  }
  if (held_.size() == pieces_before) ++leg_.health[index_of(direction_)].retransmissions;
  const auto over = [this] {
    return held_bytes_ > context_.config.held_bytes_flow_max || context_.held_bytes > context_.config.held_bytes_max;
  };
  while (!held_.empty() && over()) skip_to(held_.front().sequence, false, session);
}

void HalfStream::insert(const Segment& piece, std::size_t at) {
  Held held{piece.sequence, piece.wire_bytes, {piece.bytes.begin(), piece.bytes.end()}, piece.stamp};
  held_bytes_ += cost(held);
  context_.held_bytes += cost(held);
  held_.insert(held_.begin() + static_cast<std::ptrdiff_t>(at), std::move(held));
}

/// Passes on held data that has become in order.
void HalfStream::drain(Session& session) {
  std::size_t passed = 0;
  while (passed < held_.size() && sequence_distance(held_[passed].sequence, next_) <= 0) {
    const Held& held = held_[passed++];
    held_bytes_ -= cost(held);
    context_.held_bytes -= cost(held);
    if (sequence_distance(held.end(), next_) <= 0) continue;
    pass(slice({held.sequence, held.wire_bytes, held.bytes, held.stamp}, next_, held.end()), session);
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(passed));
  if (!ack_seen_ || sequence_distance(ack_, next_) <= 0) hole_since_ns_ = 0;
}

void HalfStream::finish_at(std::uint32_t sequence) {
  fin_seen_ = true;
  fin_sequence_ = sequence;
  if (!started_) start(sequence);
}

void HalfStream::acknowledged(std::uint32_t ack, std::uint64_t now_ns) {
  if (fin_seen_ && ack == fin_sequence_ + 1) ack = fin_sequence_;
  if (!ack_seen_) {
    ack_seen_ = true;
    ack_ = ack;
    if (started_ && sequence_distance(ack, next_) > 0) acknowledged_bytes_ += ack - next_;
  } else if (sequence_distance(ack, ack_) > 0) {
    acknowledged_bytes_ += ack - ack_;
    ack_ = ack;
  }
  // One byte past the end may be a FIN that was not captured.
  const std::int32_t missing = started_ ? sequence_distance(ack_, next_) : 0;
  if (hole_since_ns_ == 0 && (missing > 1 || (missing == 1 && !held_.empty()))) hole_since_ns_ = now_ns;
}

void HalfStream::give_up_holes(std::uint64_t now_ns, bool final, Session& session) {
  if (!started_) return;  // nothing is known of where its bytes begin
  const bool due = hole_since_ns_ != 0 && now_ns - hole_since_ns_ >= context_.config.gap_grace_ns;
  if (!due && !final) return;
  while (ack_seen_ && sequence_distance(ack_, next_) > (held_.empty() ? 1 : 0)) {
    const bool held_first = !held_.empty() && sequence_distance(held_.front().sequence, ack_) <= 0;
    skip_to(held_first ? held_.front().sequence : ack_, true, session);
  }
  hole_since_ns_ = 0;
  if (!final) return;
  while (!held_.empty()) skip_to(held_.front().sequence, false, session);
}

/// Gives up everything between next_ and `sequence`, then passes on what is held behind it.
void HalfStream::skip_to(std::uint32_t sequence, bool acknowledged, Session& session) {
  const std::uint32_t count = sequence - next_;
  ++context_.counters.gaps;
  context_.counters.gap_bytes += count;
  if (acknowledged) leg_.health[index_of(direction_)].unseen_bytes += count;
  session.gap(direction_, next_, count, false);
  next_ = sequence;
  if (sequence_distance(next_, highest_) > 0) highest_ = next_;
  drain(session);
}

void HalfStream::forget_held() {
  context_.held_bytes -= held_bytes_;
  held_bytes_ = 0;
  held_.clear();
}

}  // namespace hoptap::flowtable
