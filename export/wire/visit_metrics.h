// What a row of metrics is on the wire: visit_metrics() names its columns once, for writer and reader; its sketch and
// times, whose number varies, are in metrics_columns.cpp. Private to export/wire; one thread.
#pragma once

#include <records.pb.h>

#include "export/wire/columns.h"
#include "export/wire/tables.h"

namespace hoptap::exporting {

/// A row's window and key in numbers, addresses by their number in the table.
struct MetricsNumbers {
  std::uint32_t point = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t length_ns = 0;
  std::uint8_t transport = 6;
  std::uint32_t tags = 0;
  std::uint32_t client_address = 0;
  std::uint32_t server_address = 0;
  std::uint16_t server_port = 0;
  std::uint32_t first_bucket = 0;
};

template <class Columns>
struct MetricsColumnSet {
  Columns rows, counts, to_server, to_client, times, buckets;
};

template <class Columns, class Row>
void visit_numbers(Columns& columns, Row& row, const MetricsNumbers& before) {
  using Number = hoptap::v1::MetricsColumns;
  columns.difference(Number::kPointFieldNumber, row.point, before.point);
  columns.time(Number::kStartNsFieldNumber, row.start_ns, before.start_ns);
  columns.difference(Number::kLengthNsFieldNumber, row.length_ns, before.length_ns);
  columns.difference(Number::kTransportFieldNumber, row.transport, before.transport);
  columns.difference(Number::kTagsFieldNumber, row.tags, before.tags);
  columns.difference(Number::kClientAddressFieldNumber, row.client_address, before.client_address);
  columns.difference(Number::kServerAddressFieldNumber, row.server_address, before.server_address);
  columns.difference(Number::kServerPortFieldNumber, row.server_port, before.server_port);
}

template <class Columns, class Sums>
void visit_sums(Columns& columns, Sums& sums) {
  for (std::size_t at = 0; at < sums.size(); ++at) columns.plain(static_cast<int>(at) + 1, sums[at]);
}

template <class Columns, class Times>
void visit_times(Columns& columns, Times& times) {
  using Number = hoptap::v1::TimeColumns;
  columns.plain(Number::kCountFieldNumber, times.count);
  columns.plain(Number::kMinNsFieldNumber, times.min_ns);
  columns.difference(Number::kMaxNsFieldNumber, times.max_ns, times.min_ns);
  columns.difference(Number::kSumNsFieldNumber, times.sum_ns, times.min_ns * times.count);
}

}  // namespace hoptap::exporting
