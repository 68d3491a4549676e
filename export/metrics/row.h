// A row of metrics: what one client did with one service over one protocol, seen at one point, in a stretch of time.
// Plain values that own what they hold.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/sketch.h"
#include "export/metrics/catalog.h"
#include "flowtable/metrics.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// What a row is about: one client of a service, or, beyond the limit on rows, all further clients of it, or all that
/// is left at the point.
enum class RowScope : std::uint8_t { kClient, kServer, kPoint };

struct MetricsKey {
  std::uint32_t point = 0;  ///< as in records; whoever holds rows knows the names
  RowScope scope = RowScope::kClient;
  std::uint8_t transport = 6;  ///< IP protocol number; kPoint: 0
  std::uint32_t tags = 0;      ///< number of a set of tags; 0: none
  base::IpAddress client;      ///< kClient only
  base::Endpoint server;       ///< not kPoint
  std::string protocol;        ///< of the application, "" when not known; not kPoint

  static constexpr std::size_t kProtocolBytesMax = 64;

  auto operator<=>(const MetricsKey&) const = default;
  /// The row that takes what this one's has no room for; kPoint has none.
  MetricsKey wider() const;
};

std::size_t hash_value(const MetricsKey& key);

/// Number, sum and extremes of times.
struct TimeSums {
  std::uint64_t count = 0;
  std::uint64_t sum_ns = 0;
  std::uint64_t min_ns = 0;  ///< 0 when count is 0
  std::uint64_t max_ns = 0;

  void add(const TimeSums& other);
  bool operator==(const TimeSums&) const = default;
};

/// All sums of a row, see catalog.h.
struct MetricsSums {
  std::array<std::uint64_t, kCounts> counts{};
  std::array<std::array<std::uint64_t, kWayCounts>, 2> ways{};  ///< to the server, to the client
  std::array<TimeSums, kTimes> times{};

  void add(const MetricsSums& other);
  std::uint64_t count(Count which) const { return counts[index_of(which)]; }
  bool operator==(const MetricsSums&) const = default;
};

struct MetricsValues {
  MetricsSums sums;
  base::Sketch latency;  ///< of Time::kLatency

  void add(const MetricsValues& other);
  void add(const flowtable::HopRecord& hop);
  void add(const flowtable::FlowMetrics& flow);
  bool operator==(const MetricsValues&) const = default;
};

/// What happened in [start_ns, start_ns + length_ns) of the point's packet time.
struct MetricsRow {
  std::uint64_t start_ns = 0;
  std::uint64_t length_ns = 0;
  MetricsKey key;
  MetricsValues values;

  bool operator==(const MetricsRow&) const = default;
};

MetricsKey key_of(const flowtable::HopRecord& hop, std::uint32_t tags);
MetricsKey key_of(const flowtable::FlowMetrics& flow, std::uint32_t tags);

/// Packet time at which an exchange is counted: when the last of it passed.
std::uint64_t time_of(const flowtable::HopRecord& hop);

/// False: a security handshake, which is no request.
bool is_request(const flowtable::HopRecord& hop);

}  // namespace hoptap::exporting
