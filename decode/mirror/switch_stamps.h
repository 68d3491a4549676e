// The time at which a switch saw a packet, where it says so in the packet: taken in place of the capture's, if the
// configuration says which switch stamps. One for each worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "capture/packet.h"
#include "decode/decoded.h"
#include "decode/mirror/tick_clock.h"

namespace hoptap::decode {

/// Whose stamps a feed has. Bytes at the end of a frame prove nothing, so nothing is guessed.
enum class StampSource : std::uint8_t {
  kPacket,      ///< the capture's
  kErspan,      ///< ERSPAN type III with a subheader that makes the stamp whole (draft-foschiano-erspan-03 section 4.3)
  kArista,      ///< a header behind the MAC addresses, Ethernet type d28b (EOS, "mac timestamp header")
  kMetamako,    ///< a trailer: Metamako, Arista 7130 (MetaWatch)
  kCiscoIe,     ///< a trailer of 18 bytes that begins with 9d8d: Cisco Industrial Ethernet 5000
  kCiscoHpt,    ///< a trailer of 16 bytes: Cisco Nexus 3550-T and 3550-F HPT, ExaLINK Fusion HPT
  kArista7150,  ///< 31 bits of a counter behind the frame or in place of its check sequence, and keyframes
};

/// Are its stamps behind the frame? One that was cut has none.
constexpr bool is_trailer(StampSource source) {
  switch (source) {
    case StampSource::kMetamako:
    case StampSource::kCiscoIe:
    case StampSource::kCiscoHpt:
    case StampSource::kArista7150: return true;
    case StampSource::kPacket:
    case StampSource::kErspan:
    case StampSource::kArista: break;
  }
  return false;
}

/// Packets by what became of their stamp. The others keep the capture's time.
struct StampCounts {
  std::uint64_t taken = 0;
  std::uint64_t absent = 0;       ///< none, or not whole: 32 bits of ERSPAN without a subheader
  std::uint64_t implausible = 0;  ///< too far from when it was captured: kStampFarNs, TickClock::kJumpNs
  std::uint64_t unanchored = 0;   ///< a counter without a keyframe within TickClock::kAgeNs
  // Of the packets, beside those.
  std::uint64_t keyframes = 0;
  std::uint64_t refused_keyframes = 0;  ///< that contradict the one before, or are of another device

  void add(const StampCounts& more);
};

/// What the stamps of one point's packets are.
struct PointStamps {
  std::uint16_t point = 0;    ///< Decoded::interface_id
  std::uint64_t taken = 0;    ///< of the switch
  std::uint64_t kept = 0;     ///< of the capture
  std::uint32_t unit_ns = 0;  ///< of those taken the coarsest
};

class SwitchStamps {
 public:
  /// @param ticks  of all workers of the feed; null: its own
  explicit SwitchStamps(StampSource source = StampSource::kPacket, std::shared_ptr<SharedTickClock> ticks = nullptr);

  StampSource source() const { return source_; }
  bool are_used() const { return source_ != StampSource::kPacket; }

  /// Puts stamps into decoded[i].time_ns; packets[i] is what it was decoded from.
  void apply(std::span<const capture::Packet> packets, std::span<Decoded> decoded) {
    if (are_used()) apply_all(packets, decoded);
  }
  /// Behind apply() and MirrorSplitter::split(), of the same batch: which points the stamps are of.
  void note_points(std::span<const Decoded> decoded) {
    if (are_used()) note_all_points(decoded);
  }

  const StampCounts& counts() const { return counts_; }
  const std::vector<PointStamps>& points() const { return points_; }
  /// The most that a packet of late came after its stamp; not above 0 while the switch's clock is ahead.
  std::int64_t lag_ns() const { return lag_ns_ ? std::max(*lag_ns_, lag_before_ns_) : 0; }

 private:
  struct Stamp {
    std::uint64_t time_ns = 0;
    std::uint32_t unit_ns = 1;
  };

  void apply_all(std::span<const capture::Packet> packets, std::span<Decoded> decoded);
  void note_all_points(std::span<const Decoded> decoded);
  std::uint32_t apply_one(const capture::Packet& packet, Decoded& decoded);
  std::optional<Stamp> stamp_of(const capture::Packet& packet, const Mirror& mirror) const;
  std::uint32_t apply_ticks(const capture::Packet& packet, Decoded& decoded);
  std::optional<std::uint32_t> ticks_of(base::Bytes frame);
  void note_lag(std::int64_t lag_ns, std::uint64_t captured_ns);

  StampSource source_;
  StampCounts counts_;
  std::vector<std::uint32_t> units_ns_;  ///< of the batch's packets; 0: the capture's time; or kNoPacket
  std::vector<PointStamps> points_;      ///< as many as the feed has points
  std::size_t last_point_ = 0;           ///< in points_

  std::shared_ptr<SharedTickClock> shared_ticks_;  ///< never null
  TickClock ticks_;                                ///< as shared_ticks_ was
  std::uint32_t ticks_version_ = 0;
  bool has_check_behind_ = false;  ///< behind the stamp of the last frame that shows it

  std::optional<std::int64_t> lag_ns_;      ///< the most of this stretch of time
  std::int64_t lag_before_ns_ = INT64_MIN;  ///< and of the one before
  std::uint64_t lag_until_ns_ = 0;          ///< its end
};

}  // namespace hoptap::decode
