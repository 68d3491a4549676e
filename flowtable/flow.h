// What is kept of every live flow, however idle: as small as it can be. What a busy flow needs besides is in its
// Ledger.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "decode/l7/parser.h"
#include "flowtable/flow_key.h"
#include "flowtable/slab.h"

namespace hoptap::flowtable {

using decode::l7::Direction;
using decode::l7::index_of;
using decode::l7::opposite;

/// Nanoseconds since another moment in four bytes: exact up to 2 s, to the microsecond up to 35 minutes; more
/// saturates.
class ShortTime {
 public:
  static constexpr ShortTime of(std::uint64_t ns) {
    constexpr std::uint64_t kMicrosecond = 1000;
    ShortTime time;
    if (ns < kCoarse) {
      time.value_ = static_cast<std::uint32_t>(ns) + 1;
    } else {
      time.value_ = kCoarse | static_cast<std::uint32_t>(std::min<std::uint64_t>(ns / kMicrosecond, kCoarse - 1));
    }
    return time;
  }
  constexpr bool known() const { return value_ != 0; }
  constexpr std::uint64_t ns() const {
    return value_ <= kCoarse ? std::uint64_t{value_} - 1 : std::uint64_t{value_ & ~kCoarse} * 1000;
  }

 private:
  static constexpr std::uint32_t kCoarse = 1u << 31;
  std::uint32_t value_ = 0;  ///< 0: not known
};

/// What one end has sent, and what the other end has acknowledged of it.
struct FlowSide {
  static constexpr std::uint8_t kNoScale = 0xff;

  std::uint64_t payload_bytes = 0;  ///< on the wire, copies included
  std::uint32_t packets = 0;
  std::uint32_t next = 0;                ///< next byte in order; TCP
  std::uint32_t acked = 0;               ///< highest acknowledgment by the other end
  std::uint32_t start = 0;               ///< first byte; one past the ISN when `isn_known`
  std::uint32_t fin_sequence = 0;        ///< one past the last byte, when `fin_seen`
  std::uint32_t wire = 0;                ///< hash of how the wire of its packets looks; 0: none seen
  std::uint16_t window = 0;              ///< last announced by this end, as on the wire
  std::uint16_t mss = 0;                 ///< announced by this end; 0: not seen
  std::uint8_t ttl = 0;                  ///< of the first packet
  std::uint8_t window_scale = kNoScale;  ///< announced by this end
  std::uint8_t ack_wraps = 0;            ///< times that `acked` went past 2^32; saturates
  bool started : 1 = false;              ///< `next` is known
  bool isn_known : 1 = false;
  bool scales : 1 = false;  ///< its SYN had the window scale option: in use when both had it (RFC 7323 section 2.2)
  bool fin_seen : 1 = false;
  bool ack_seen : 1 = false;  ///< `acked` is known

  bool finished() const { return fin_seen && started && static_cast<std::int32_t>(next - fin_sequence) >= 0; }
  std::uint32_t isn() const { return isn_known ? start - 1 : 0; }

  /// Bytes acknowledged by the other end since the first one known of; `acked` is never before `start`.
  std::uint64_t acknowledged_bytes() const { return ack_seen ? std::uint64_t{ack_wraps} << 32 | (acked - start) : 0; }
};

/// Which list of the flow table a flow waits in for its timeout.
enum class FlowStage : std::uint8_t {
  kOpening,  ///< not known to be more than a packet or two: SYNs of a flood, scans
  kActive,   ///< packets lately
  kIdle,     ///< none for FlowTableConfig::settle_ns; TCP
  kQuiet,    ///< none for FlowTableConfig::quiet_ns; TCP
  kIdleUdp,  ///< none for FlowTableConfig::settle_ns; UDP
};
inline constexpr std::size_t kFlowStages = 5;

/// One live flow at one point. In a Slab; owned by the flow table, used by its thread.
struct Flow {
  FlowKey key{};
  SlabIndex older = kNoIndex, younger = kNoIndex;  ///< neighbours in the list of its stage
  std::uint64_t last_ns = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t leg_id = 0;
  std::array<FlowSide, 2> sides;  ///< by Direction: 0 is what the client sends
  SlabIndex ledger = kNoIndex;
  SlabIndex twin = kNoIndex;  ///< the next flow with this key, on another wire
  std::uint32_t vantage = 0;
  ShortTime syn, syn_ack, ack;  ///< after first_ns
  std::uint32_t syn_fingerprint = 0;
  std::uint16_t first_bytes = 0;  ///< IP length of the first packet
  std::uint16_t flags = 0;        ///< record_flag
  std::uint8_t twin_number = 0;   ///< the how-manieth of its key
  std::uint8_t closing = 0;       ///< closing bits
  FlowStage stage = FlowStage::kOpening;
  std::uint8_t client_end = 0;         ///< which end of the key is the client
  bool direction_known : 1 = false;    ///< by its SYN or its bytes; else by a guess from the ports
  bool awaits_client_ack : 1 = false;  ///< the SYN-ACK has passed, the client's answer has not
  bool link_of_server : 1 = false;     ///< the first packet came from the server: the vantage is its
  bool calm : 1 = false;               ///< established, nothing amiss: see FlowUpdate::is_calm()
  bool ended : 1 = false;              ///< both sides have closed or one has reset
  bool opaque : 1 = false;             ///< no messages of it are looked for
  bool refused : 1 = false;            ///< there was no ledger to be had: packets are counted, no more
  bool reported : 1 = false;           ///< in metrics, at least once

  FlowSide& side(Direction d) { return sides[index_of(d)]; }
  const FlowSide& side(Direction d) const { return sides[index_of(d)]; }
  /// Which way does the packet of this end of the key go?
  Direction direction_of(std::uint32_t sender) const { return static_cast<Direction>(sender ^ client_end); }
};
static_assert(sizeof(Flow) <= 176);

}  // namespace hoptap::flowtable
