#include "export/metrics/row_codec.h"

#include <algorithm>
#include <utility>

#include "base/archive.h"

namespace hoptap::exporting {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kListMax = 4096;  // of any list that a version may write

/// The values that are not 0: how many, then how many zeros lie before each, and it.
template <class Numbers>
void put_sparse(const Numbers& numbers, base::ArchiveWriter& out) {
  out.number(numbers.size() - static_cast<std::size_t>(std::count(numbers.begin(), numbers.end(), 0u)));
  std::uint64_t zeros = 0;
  for (const auto number : numbers) {
    if (number == 0) {
      ++zeros;
      continue;
    }
    out.number(std::exchange(zeros, 0));
    out.number(number);
  }
}

/// Calls `put(index, value)` for each value. @return false: more than any version writes
template <class Put>
bool take_sparse(base::ArchiveReader& in, Put put) {
  std::uint64_t count = 0, at = 0;
  in.number(count);
  for (; count > 0 && in.ok(); --count, ++at) {
    std::uint64_t zeros = 0, value = 0;
    in.number(zeros);
    in.number(value);
    if (zeros >= kListMax || at + zeros >= kListMax) return false;
    at += zeros;
    put(at, value);
  }
  return in.ok();
}

template <class Archive, class Times>
void visit_times(Archive& archive, Times& times) {
  archive.number(times.count);
  archive.number(times.sum_ns);
  archive.number(times.min_ns);
  archive.number(times.max_ns);
}

bool take_times(base::ArchiveReader& in, MetricsSums& sums) {
  std::uint64_t set = 0;
  in.number(set);
  for (std::size_t at = 0; set != 0 && in.ok(); ++at, set >>= 1) {
    if ((set & 1) == 0) continue;
    TimeSums times;
    visit_times(in, times);
    if (at < kTimes) sums.times[at] = times;
  }
  return in.ok();
}

bool take_sketch(base::ArchiveReader& in, base::Sketch& sketch) {
  std::uint64_t zeros = 0, first = 0;
  in.number(zeros);
  in.number(first);
  std::vector<std::uint32_t> counts;
  const bool taken = take_sparse(in, [&](std::uint64_t at, std::uint64_t count) {
    counts.resize(at);
    counts.push_back(static_cast<std::uint32_t>(count));
  });
  auto read = base::Sketch::from_parts(zeros, first, std::move(counts));
  if (!taken || !read) return false;
  sketch = std::move(*read);
  return true;
}

}  // namespace

void encode(const MetricsValues& values, std::vector<std::uint8_t>& out) {
  out.push_back(kVersion);
  base::ArchiveWriter writer(out);
  put_sparse(values.sums.counts, writer);
  for (const auto& way : values.sums.ways) put_sparse(way, writer);
  std::uint64_t set = 0;
  for (std::size_t at = 0; at < kTimes; ++at) set |= std::uint64_t{values.sums.times[at].count != 0} << at;
  writer.number(set);
  for (const TimeSums& times : values.sums.times)
    if (times.count != 0) visit_times(writer, times);
  writer.number(values.latency.zeros());
  writer.number(values.latency.first_bucket());
  put_sparse(values.latency.counts(), writer);
}

base::Result<MetricsValues> decode_metrics(base::Bytes bytes) {
  if (bytes.empty()) return tl::unexpected(base::Error::kTruncated);
  if (bytes[0] != kVersion) return tl::unexpected(base::Error::kBadVersion);
  bytes = bytes.subspan(1);
  base::ArchiveReader reader(bytes);
  MetricsValues values;
  const auto take = [&reader](auto& numbers) {
    return take_sparse(reader, [&](std::uint64_t at, std::uint64_t value) {
      if (at < numbers.size()) numbers[at] = value;
    });
  };
  const bool taken = take(values.sums.counts) && take(values.sums.ways[0]) && take(values.sums.ways[1]) &&
                     take_times(reader, values.sums) && take_sketch(reader, values.latency);
  if (!taken || !bytes.empty()) return tl::unexpected(base::Error::kBadLength);
  return values;
}

}  // namespace hoptap::exporting
