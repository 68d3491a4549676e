// What is counted in a row of metrics: each sum once, with its names. The numbers are those of the wire format's
// columns and of stored rows (docs/formats/): only ever appended to. Constants; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hoptap::exporting {

/// Of a row as a whole.
enum class Count : std::uint8_t {
  kRequests,
  kResponses,
  kClientErrors,
  kServerErrors,
  kTimeouts,
  kResets,
  kFlowsOpened,
  kFlowsClosed,  ///< and one for each flowtable::CloseReason, in its order
  kIcmpErrors = kFlowsClosed + 16,
};
inline constexpr std::size_t kCounts = 24;

/// Of each direction, in the order of flowtable::DirectionMetrics.
enum class WayCount : std::uint8_t {
  kPackets,
  kBytes,
  kPayloadBytes,
  kSyn,
  kFin,
  kRst,
  kDuplicatesRemoved,
  kRetransmissionsTimeout,
  kRetransmissionsFast,
  kRetransmissionsProbe,
  kRetransmissionsSpurious,
  kSynRetransmissions,
  kKeepAlives,
  kOutOfOrder,
  kDuplicateAcks,
  kSackBlocks,
  kZeroWindows,
  kZeroWindowNs,
  kWindowLimitedNs,
  kUnseenBytes,
  kAcknowledgedBytes,
  kEcnCongestion,
  kEcnEcho,
  kTtlChanges,
  kInFlightBytesMax,
  kMssMin,
  kWindowScaleMax,
};
inline constexpr std::size_t kWayCounts = 27;

/// Times whose number, sum and extremes are kept.
enum class Time : std::uint8_t {
  kLatency,  ///< first byte of the request to first byte of the response
  kHandshakeServer,
  kHandshakeClient,
  kHandshake,
  kServerResponse,
  kApplicationResponse,
  kClientIdle,
  kReply,
  kRttServer,  ///< of data to the server
  kRttClient,
  kRttTimestampsServer,
  kRttTimestampsClient,
};
inline constexpr std::size_t kTimes = 12;

constexpr std::size_t index_of(Count count) { return static_cast<std::size_t>(count); }
constexpr std::size_t index_of(WayCount count) { return static_cast<std::size_t>(count); }
constexpr std::size_t index_of(Time time) { return static_cast<std::size_t>(time); }

/// How two values of one sum become one.
enum class Merge : std::uint8_t { kSum, kMax, kMin };  ///< kMin: of those that are not 0

/// A sum: its own name, and the family (OpenMetrics) that it is a sample of, told from others there by a label.
struct SumInfo {
  std::string_view name;    ///< "retransmissions_fast"
  std::string_view family;  ///< "hoptap_tcp_retransmissions"; those of one family follow each other
  std::string_view label;   ///< "kind"; "": none
  std::string_view value;   ///< "fast"
  std::string_view unit;    ///< "bytes", "seconds" (the sum is in ns), "": a number
  std::string_view help;    ///< of the family, on its first
  Merge merge = Merge::kSum;
};

std::span<const SumInfo, kCounts> count_infos();
std::span<const SumInfo, kWayCounts> way_infos();
/// `label` and `value` of times by direction are "direction" and which.
std::span<const SumInfo, kTimes> time_infos();

}  // namespace hoptap::exporting
