#include "export/wire/metrics_columns.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "export/wire/batch.h"

namespace hoptap::exporting {
namespace {

using Number = hoptap::v1::MetricsColumns;

/// The columns as a message inside another; left out when empty.
void put_message(int field, ColumnWriter& columns, std::string& out) {
  std::string message;
  columns.finish(message);
  if (!message.empty()) append_bytes_field(field, message, out);
}

}  // namespace

void MetricsWriterColumns::add(const MetricsRow& row, TextWriter& texts, ConnectionWriter& addresses) {
  const MetricsKey& key = row.key;
  MetricsNumbers numbers = before_;
  numbers.point = key.point;
  numbers.start_ns = row.start_ns;
  numbers.length_ns = row.length_ns;
  numbers.transport = key.transport;
  numbers.tags = key.tags;
  numbers.server_port = key.server.port;
  if (key.scope == RowScope::kClient) numbers.client_address = addresses.address_number(key.client);
  if (key.scope != RowScope::kPoint) numbers.server_address = addresses.address_number(key.server.address);
  visit_numbers(columns_.rows, std::as_const(numbers), before_);
  columns_.rows.plain(Number::kScopeFieldNumber, key.scope);
  texts.refer(columns_.rows, Number::kProtocolFieldNumber, key.protocol, protocol_);
  visit_sums(columns_.counts, row.values.sums.counts);
  visit_sums(columns_.to_server, row.values.sums.ways[0]);
  visit_sums(columns_.to_client, row.values.sums.ways[1]);
  put_times(row.values.sums);
  put_sketch(row.values.latency, numbers);
  for (ColumnWriter* columns : {&columns_.rows, &columns_.counts, &columns_.to_server, &columns_.to_client})
    columns->next_row();
  before_ = numbers;
}

void MetricsWriterColumns::put_times(const MetricsSums& sums) {
  std::uint64_t has = 0;
  for (std::size_t at = 0; at < kTimes; ++at) {
    if (sums.times[at].count == 0) continue;
    has |= std::uint64_t{1} << at;
    visit_times(columns_.times, sums.times[at]);
    columns_.times.next_row();
  }
  columns_.rows.put(Number::kTimesSetFieldNumber, has);
}

void MetricsWriterColumns::put_sketch(const base::Sketch& sketch, MetricsNumbers& row) {
  using Bucket = hoptap::v1::BucketColumns;
  columns_.rows.put(Number::kLatencyZerosFieldNumber, sketch.zeros());
  std::uint64_t buckets = 0, empty = 0;
  for (const std::uint32_t count : sketch.counts()) {
    if (count == 0) {
      ++empty;
      continue;
    }
    ++buckets;
    columns_.buckets.put(Bucket::kEmptyFieldNumber, std::exchange(empty, 0));
    columns_.buckets.put(Bucket::kCountFieldNumber, count);
    columns_.buckets.next_row();
  }
  columns_.rows.put(Number::kBucketsFieldNumber, buckets);
  if (buckets == 0) return;
  const auto first = static_cast<std::uint32_t>(sketch.first_bucket());
  columns_.rows.difference(Number::kFirstBucketFieldNumber, first, row.first_bucket);
  row.first_bucket = first;
}

void MetricsWriterColumns::finish(std::string& out) {
  if (columns_.rows.rows() == 0) return;
  std::string message;
  append_number_field(Number::kRowsFieldNumber, columns_.rows.rows(), message);
  columns_.rows.finish(message);
  put_message(Number::kCountsFieldNumber, columns_.counts, message);
  put_message(Number::kToServerFieldNumber, columns_.to_server, message);
  put_message(Number::kToClientFieldNumber, columns_.to_client, message);
  put_message(Number::kTimesFieldNumber, columns_.times, message);
  put_message(Number::kLatencyFieldNumber, columns_.buckets, message);
  append_bytes_field(hoptap::v1::RecordBatch::kMetricsFieldNumber, message, out);
}

void MetricsReaderColumns::open(std::string_view message, Trouble& trouble) {
  const auto inside = [&](ColumnReader& columns, int field, const google::protobuf::Descriptor& descriptor) {
    columns.open(columns_.rows.bytes(field), descriptor, trouble);
  };
  columns_.rows.open(message, *Number::descriptor(), trouble);
  inside(columns_.counts, Number::kCountsFieldNumber, *hoptap::v1::CountColumns::descriptor());
  inside(columns_.to_server, Number::kToServerFieldNumber, *hoptap::v1::WayColumns::descriptor());
  inside(columns_.to_client, Number::kToClientFieldNumber, *hoptap::v1::WayColumns::descriptor());
  inside(columns_.times, Number::kTimesFieldNumber, *hoptap::v1::TimeColumns::descriptor());
  inside(columns_.buckets, Number::kLatencyFieldNumber, *hoptap::v1::BucketColumns::descriptor());
  if (columns_.rows.number(Number::kRowsFieldNumber) > batch_limit::kMetricsRows)
    columns_.rows.refuse(Number::kRowsFieldNumber, "is more than allowed");
}

void MetricsReaderColumns::read(TextReader& texts, const std::vector<base::IpAddress>& addresses, std::size_t points,
                                std::vector<MetricsRow>& rows) {
  const Trouble& trouble = columns_.rows.trouble();
  if (trouble.any()) return;
  const std::uint64_t count = columns_.rows.number(Number::kRowsFieldNumber);
  for (std::uint64_t at = 0; at < count && !trouble.any(); ++at)
    read_row(texts, addresses, points, rows.emplace_back());
  for (ColumnReader* columns :
       {&columns_.rows, &columns_.counts, &columns_.to_server, &columns_.to_client, &columns_.times, &columns_.buckets})
    columns->finish();
}

void MetricsReaderColumns::read_row(TextReader& texts, const std::vector<base::IpAddress>& addresses,
                                    std::size_t points, MetricsRow& row) {
  take_key(addresses, points, row);
  texts.refer(columns_.rows, Number::kProtocolFieldNumber, row.key.protocol, protocol_);
  if (row.key.protocol.size() > MetricsKey::kProtocolBytesMax)
    columns_.rows.refuse(Number::kProtocolFieldNumber, "has one that is too long");
  visit_sums(columns_.counts, row.values.sums.counts);
  visit_sums(columns_.to_server, row.values.sums.ways[0]);
  visit_sums(columns_.to_client, row.values.sums.ways[1]);
  take_times(row.values.sums);
  take_sketch(row.values.latency);
  if (row.key.scope == RowScope::kPoint) row.key = row.key.wider();  // it has nothing but its point
}

void MetricsReaderColumns::take_key(const std::vector<base::IpAddress>& addresses, std::size_t points,
                                    MetricsRow& row) {
  MetricsNumbers numbers;
  visit_numbers(columns_.rows, numbers, before_);
  numbers.first_bucket = before_.first_bucket;
  before_ = numbers;
  MetricsKey& key = row.key;
  const std::uint64_t scope = columns_.rows.take(Number::kScopeFieldNumber);
  const auto take_address = [&](int field, std::uint32_t number, base::IpAddress& address) {
    if (number >= addresses.size()) return columns_.rows.refuse(field, "names an address that is not there");
    address = addresses[number];
  };
  key.scope = static_cast<RowScope>(std::min<std::uint64_t>(scope, static_cast<std::uint64_t>(RowScope::kPoint)));
  if (key.scope == RowScope::kClient)
    take_address(Number::kClientAddressFieldNumber, numbers.client_address, key.client);
  if (key.scope != RowScope::kPoint)
    take_address(Number::kServerAddressFieldNumber, numbers.server_address, key.server.address);
  if (numbers.point >= points) columns_.rows.refuse(Number::kPointFieldNumber, "names a point that is not there");
  key.point = numbers.point;
  key.transport = numbers.transport;
  key.tags = numbers.tags;
  key.server.port = numbers.server_port;
  row.start_ns = numbers.start_ns;
  row.length_ns = numbers.length_ns;
}

/// Times of a newer version are passed over.
void MetricsReaderColumns::take_times(MetricsSums& sums) {
  for (std::uint64_t has = columns_.rows.take(Number::kTimesSetFieldNumber); has != 0; has &= has - 1) {
    TimeSums times;
    visit_times(columns_.times, times);
    const auto at = static_cast<std::size_t>(std::countr_zero(has));
    if (at < kTimes) sums.times[at] = times;
  }
}

void MetricsReaderColumns::take_sketch(base::Sketch& sketch) {
  using Bucket = hoptap::v1::BucketColumns;
  const std::uint64_t zeros = columns_.rows.take(Number::kLatencyZerosFieldNumber);
  const std::uint64_t buckets = columns_.rows.take(Number::kBucketsFieldNumber);
  std::uint32_t first = before_.first_bucket;
  columns_.rows.difference(Number::kFirstBucketFieldNumber, first, before_.first_bucket);
  before_.first_bucket = first;
  std::vector<std::uint32_t> counts;
  for (std::uint64_t at = 0; at < buckets && !columns_.rows.trouble().any(); ++at) {
    const std::uint64_t empty = columns_.buckets.take(Bucket::kEmptyFieldNumber);
    std::uint32_t count = 0;
    columns_.buckets.plain(Bucket::kCountFieldNumber, count);
    if (empty >= base::Sketch::kBucketsMax || counts.size() + empty >= base::Sketch::kBucketsMax)
      return columns_.rows.refuse(Number::kBucketsFieldNumber, "has more than allowed");
    counts.resize(counts.size() + empty);
    counts.push_back(count);
  }
  auto read = base::Sketch::from_parts(zeros, buckets == 0 ? 0 : first, std::move(counts));
  if (!read) return columns_.rows.refuse(Number::kFirstBucketFieldNumber, "leads beyond the last bucket");
  sketch = std::move(*read);
}

}  // namespace hoptap::exporting
