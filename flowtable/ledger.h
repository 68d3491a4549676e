// What a busy flow needs besides its Flow: metrics since the last report, the state that they come from, what waits
// behind holes, the session. In a Slab; owned by the flow table, used by its thread.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "flowtable/flow.h"
#include "flowtable/metrics.h"
#include "flowtable/stamp.h"

namespace hoptap::flowtable {

class Session;

/// A segment behind a hole, its bytes copied behind it.
struct Piece : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
  std::uint32_t sequence = 0;
  std::uint32_t wire_bytes = 0;
  std::uint32_t captured_bytes = 0;
  Stamp stamp;

  std::uint32_t end() const { return sequence + wire_bytes; }
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
};

struct BySequence {
  bool operator()(const Piece& a, const Piece& b) const { return sequence_distance(a.sequence, b.sequence) < 0; }
};
/// By sequence, not overlapping, all behind FlowSide::next.
using Pieces =
    boost::intrusive::set<Piece, boost::intrusive::compare<BySequence>, boost::intrusive::constant_time_size<false>>;

/// Why a sender sent a segment again.
enum class RetransmissionKind : std::uint8_t { kNone, kTimeout, kFast, kProbe, kSpurious };

/// The part of a ledger that is of one direction of data.
struct LedgerSide {
  DirectionMetrics metrics;                       ///< since the last report; packets and payload are FlowSide's
  DirectionHealth reported;                       ///< what went wrong before it
  Pieces pieces;                                  ///< behind the first hole
  std::size_t held_bytes = 0;                     ///< memory of the pieces
  std::uint64_t reported_acknowledged_bytes = 0;  ///< FlowSide's counts when it was reported last
  std::uint64_t reported_payload_bytes = 0;
  std::uint32_t reported_packets = 0;
  std::uint32_t reported_retransmissions = 0;
  std::uint32_t syn_copies = 0;  ///< since the leg began, as `health`
  std::uint32_t duplicates_removed = 0;
  std::uint64_t hole_since_ns = 0;         ///< when a hole was first known to be filled at the receiver; 0: none
  std::uint64_t zero_window_since_ns = 0;  ///< the receiver's; 0: open
  std::uint64_t limited_since_ns = 0;      ///< less than one MSS of its window free; 0: not so
  std::uint64_t last_data_ns = 0;
  std::uint64_t link[3] = {};               ///< PacketWords::link() of the last packet
  std::uint64_t timed_ns = 0;               ///< when the segment that ends at `timed_end` passed; 0: none is timed
  std::uint64_t stamped_ns = 0;             ///< when `stamped` was first seen as TSval; 0: it has been echoed
  std::uint64_t eight_smoothed_rtt_ns = 0;  ///< SRTT of RFC 6298 section 2, as seen from here; 0: no sample yet
  std::uint64_t four_rtt_variation_ns = 0;  ///< RTTVAR; both are kept as multiples, so that no fraction is lost
  std::uint32_t timed_end = 0;
  std::uint32_t stamped = 0;
  std::uint32_t recovery_end = 0;  ///< highest byte sent when the last retransmission was told apart
  RetransmissionKind recovery = RetransmissionKind::kNone;  ///< by which kind, until `recovery_end` is acknowledged
  std::uint32_t room = UINT32_MAX;  ///< bytes that may be in flight before the receiver's window is the limit
  std::uint32_t looks = 0;          ///< PacketWords::looks() of the last packet, the TTL lowest; 0: none yet
  std::uint8_t duplicate_acks = 0;  ///< in a row; saturates
  bool hole_told = false;           ///< the receiver has sent SACK blocks since its last new acknowledgment
  bool answer_due = false;          ///< data since the last acknowledgment of all
  bool spoke_last = false;          ///< data went this way last

  /// All that went wrong since the leg began.
  DirectionHealth health() const {
    DirectionHealth sum = reported;
    sum.out_of_order += metrics.out_of_order;
    sum.duplicate_acks += metrics.duplicate_acks;
    sum.sack_blocks += metrics.sack_blocks;
    sum.unseen_bytes += metrics.unseen_bytes;
    sum.zero_window_ns += metrics.zero_window_ns;
    return sum;
  }
  std::uint32_t retransmissions() const { return reported_retransmissions + metrics.retransmissions(); }
};

struct Ledger {
  static constexpr SlabIndex kNeverReported = kNoIndex - 1;  ///< as report_place: nobody wants metrics

  std::array<LedgerSide, 2> sides;  ///< by Direction of the data
  std::array<Reset, 2> resets;      ///< by the way they went
  Session* session = nullptr;
  std::uint64_t first_ns = 0;  ///< since the last report; 0: no packet
  Times handshake_server, handshake_client, handshake;
  Times server_response, application_response, client_idle, reply;
  std::uint32_t icmp_errors = 0;
  SlabIndex report_place = kNoIndex;  ///< in the list of flows to report; kNoIndex: not there
  bool overflown = false;             ///< SYN-ACKs came again after the client's ACK: the server's queue was full

  LedgerSide& side(Direction d) { return sides[index_of(d)]; }
  const LedgerSide& side(Direction d) const { return sides[index_of(d)]; }

  DirectionHealth health(Direction d) const { return side(d).health(); }
};

}  // namespace hoptap::flowtable
