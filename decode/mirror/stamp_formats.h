// How switches write the time into a packet, each format that needs no memory of earlier packets. Nothing: there is no
// such stamp, or it is not whole. Pure functions. Private to decode/.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "decode/decoded.h"

namespace hoptap::decode {

/// A switch whose clock is farther off is not set; what looks like its stamp may be none.
inline constexpr std::uint64_t kStampFarNs = 3'600'000'000'000;

inline std::uint64_t apart(std::uint64_t one, std::uint64_t other) { return one > other ? one - other : other - one; }

/// Where what a frame carries begins, behind addresses and VLAN tags, and its Ethernet type; 0: too short.
std::size_t network_at(base::Bytes frame, std::uint16_t& type);

/// 0: nobody says.
std::uint32_t unit_ns(Granularity granularity);

/// Type III with a subheader that makes the stamp whole (draft-foschiano-erspan-03 section 4.3).
std::optional<std::uint64_t> erspan_stamp(const Mirror& mirror, std::uint64_t captured_ns);

// Of whole frames: `frame` is what was on the wire.
std::optional<std::uint64_t> arista_stamp(base::Bytes frame, std::uint64_t captured_ns);
std::optional<std::uint64_t> metamako_stamp(base::Bytes frame, std::uint64_t captured_ns);
std::optional<std::uint64_t> cisco_ie_stamp(base::Bytes frame, std::uint64_t captured_ns);
std::optional<std::uint64_t> cisco_hpt_stamp(base::Bytes frame, std::uint64_t captured_ns);

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
