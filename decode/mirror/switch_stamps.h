// The time at which a switch saw a packet, where it says so in the packet: taken in place of the capture's, if the
// configuration says which switch stamps. One for each worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "capture/packet.h"
#include "decode/decoded.h"

namespace hoptap::decode {

/// Whose stamps a feed has. Bytes at the end of a frame prove nothing, so nothing is guessed.
enum class StampSource : std::uint8_t {
  kPacket,    ///< the capture's
  kErspan,    ///< ERSPAN type III with a subheader that makes the stamp whole (draft-foschiano-erspan-03 section 4.3)
  kArista,    ///< a header behind the MAC addresses, Ethernet type d28b (EOS, "mac timestamp header")
  kMetamako,  ///< a trailer: Metamako, Arista 7130 (MetaWatch)
  kCiscoIe,   ///< a trailer of 18 bytes that begins with 9d8d: Cisco Industrial Ethernet 5000
};

/// Packets by what became of their stamp. The others keep the capture's time.
struct StampCounts {
  std::uint64_t taken = 0;
  std::uint64_t absent = 0;       ///< none, or not whole: 32 bits of ERSPAN without a subheader
  std::uint64_t implausible = 0;  ///< more than SwitchStamps::kFarNs from when it was captured
};

class SwitchStamps {
 public:
  /// A switch whose clock is farther off is not set; what looks like its stamp may be none.
  static constexpr std::uint64_t kFarNs = 3'600'000'000'000;

  explicit SwitchStamps(StampSource source = StampSource::kPacket) : source_(source) {}

  bool are_used() const { return source_ != StampSource::kPacket; }

  /// Puts stamps into decoded[i].time_ns; packets[i] is what it was decoded from.
  void apply(std::span<const capture::Packet> packets, std::span<Decoded> decoded) {
    if (are_used()) apply_all(packets, decoded);
  }

  const StampCounts& counts() const { return counts_; }
  /// The most that a packet of late came after its stamp; not above 0 while the switch's clock is ahead.
  std::int64_t lag_ns() const { return lag_ns_ ? std::max(*lag_ns_, lag_before_ns_) : 0; }

 private:
  void apply_all(std::span<const capture::Packet> packets, std::span<Decoded> decoded);

  StampSource source_;
  StampCounts counts_;
  void note_lag(std::int64_t lag_ns, std::uint64_t captured_ns);

  std::optional<std::int64_t> lag_ns_;      ///< the most of this stretch of time
  std::int64_t lag_before_ns_ = INT64_MIN;  ///< and of the one before
  std::uint64_t lag_until_ns_ = 0;          ///< its end
};

/// Bytes of Arista's header behind its Ethernet type, the type of what follows included; 0: `behind` does not begin
/// with one.
inline std::size_t arista_stamp_bytes(base::Bytes behind) {
  constexpr std::uint64_t kTimestamp = 1;
  if (behind.size() < 4 || base::load_be(behind.first(2)) != kTimestamp) return 0;
  switch (behind[3] >> 4) {
    case 1: return 4 + 8 + 2;
    case 2: return 4 + 6 + 2;
    default: return 0;
  }
}

}  // namespace hoptap::decode
