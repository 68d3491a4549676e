// Record batches as they travel from probe to tracer and lie in the files between: written down in
// docs/formats/wire.md. A batch can be read alone. Plain values that own what they hold; pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "export/metrics/row.h"
#include "export/point_stamps.h"
#include "export/zstd_frame.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// An observation point as it stands at the end of a batch.
struct BatchPoint {
  std::string name;
  std::string role = "unknown";               ///< as linker::Point
  std::optional<std::uint32_t> order;         ///< as linker::Point
  std::uint64_t reached_ns = 0;               ///< packet time read up to, this point's clock; 0: no packet yet
  std::uint64_t packets = 0;                  ///< read so far
  std::optional<std::uint64_t> lost_packets;  ///< that the capture lost so far; nothing: unknown
  bool ended = false;                         ///< no record of this point will follow
  std::vector<PointStamp> stamps;             ///< who stamped its packets so far

  bool operator==(const BatchPoint&) const = default;
};

/// HopRecord::point, LegRecord::point and MetricsKey::point are indexes into `points`.
struct Batch {
  std::vector<BatchPoint> points;
  std::vector<flowtable::HopRecord> hops;
  std::vector<flowtable::LegRecord> legs;
  std::vector<MetricsRow> metrics;
};

/// What a batch may hold. A writer stays within; a reader refuses what does not.
namespace batch_limit {
inline constexpr std::size_t kRecords = 65'536;  ///< hop and leg records together
inline constexpr std::size_t kMetricsRows = 8'192;
inline constexpr std::size_t kPoints = 1'024;
inline constexpr std::size_t kNameBytes = 1'024;            ///< of a point's name and role each
inline constexpr std::size_t kTextBytes = 65'536;           ///< of one text of a record; the writer cuts what is longer
inline constexpr std::size_t kTexts = 1u << 20;             ///< different ones
inline constexpr std::size_t kIdsPerRecord = 64;            ///< header identifiers; the writer leaves out the rest
inline constexpr std::size_t kIds = 1u << 20;               ///< of all records
inline constexpr std::size_t kRecordTextBytes = 64u << 20;  ///< of all texts of all records, copies counted
inline constexpr std::size_t kBatchBytes = 64u << 20;       ///< encoded, not compressed
}  // namespace batch_limit

/// What the record adds towards batch_limit::kRecordTextBytes. Who fills batches ends one before it has too much.
std::size_t text_bytes(const flowtable::HopRecord& record);

/// Protobuf bytes (hoptap.v1.RecordBatch), not compressed. Needs a batch within the limits whose records name its
/// points.
std::string encode_batch(const Batch& batch);

/// What encode_batch() was given, record by record and field by field. Bytes may be anything: the failure says what is
/// wrong with them, and memory stays within a small multiple of the limits.
[[nodiscard]] base::Outcome<Batch> decode_batch(std::string_view bytes);

}  // namespace hoptap::exporting
