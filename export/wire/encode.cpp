#include <algorithm>
#include <cassert>
#include <span>
#include <type_traits>

#include "export/wire/batch.h"
#include "export/wire/connections.h"
#include "export/wire/metrics_columns.h"
#include "export/wire/visit_hop.h"
#include "export/wire/visit_leg.h"

namespace hoptap::exporting {
namespace {

using hoptap::v1::RecordBatch;

/// A message inside a message of columns; left out when empty.
void put_message(int field, ColumnWriter& columns, std::string& out) {
  std::string message;
  columns.finish(message);
  if (!message.empty()) append_bytes_field(field, message, out);
}

std::string point_message(const BatchPoint& point) {
  hoptap::v1::Point message;
  message.set_name(point.name.substr(0, batch_limit::kNameBytes));
  message.set_role(point.role.substr(0, batch_limit::kNameBytes));
  if (point.order) message.set_order(*point.order);
  message.set_reached_ns(point.reached_ns);
  message.set_packets(point.packets);
  if (point.lost_packets) message.set_lost_packets(*point.lost_packets);
  message.set_ended(point.ended);
  for (const PointStamp& one : std::span(point.stamps).first(std::min(point.stamps.size(), PointStamp::kOfPointMax))) {
    hoptap::v1::Stamp& stamp = *message.add_stamps();
    stamp.set_by(one.by.substr(0, PointStamp::kNameBytesMax));
    stamp.set_unit_ns(one.unit_ns);
    stamp.set_packets(one.packets);
  }
  return message.SerializeAsString();
}

class BatchWriter {
 public:
  explicit BatchWriter(std::size_t points) { past_.next_record_id.resize(points); }

  void add(const flowtable::HopRecord& hop) {
    const std::uint32_t number = put_connection(hop, hops_.hops, hoptap::v1::HopColumns::kConnectionFieldNumber);
    visit_hop(hops_, hop, connections_[number], past_, past_.connections[number]);
    put_ids(hop);
    hops_.next_row();
  }
  void add(const flowtable::LegRecord& leg) {
    using Number = hoptap::v1::LegColumns;
    const std::uint32_t number = put_connection(leg, legs_.legs, Number::kConnectionFieldNumber);
    legs_.legs.plain(Number::kCloseFieldNumber, leg.close);
    visit_leg(legs_, leg, connections_[number], past_.leg, past_.connections[number]);
    legs_.next_row();
  }
  void add(const MetricsRow& row) {
    assert(row.key.point < past_.next_record_id.size());
    metrics_.add(row, texts_, connections_);
  }
  void finish(std::string& out) {
    const std::string connections = connections_.columns();
    if (!texts_.sizes().empty()) {
      append_bytes_field(RecordBatch::kTextFieldNumber, texts_.bytes(), out);
      append_bytes_field(RecordBatch::kTextSizesFieldNumber, texts_.sizes(), out);
    }
    const std::string hashes = table_.column();
    if (!hashes.empty()) append_bytes_field(RecordBatch::kHashesFieldNumber, hashes, out);
    connections_.append_tables(out);
    if (!connections.empty()) append_bytes_field(RecordBatch::kConnectionsFieldNumber, connections, out);
    if (hops_.hops.rows() != 0) append_bytes_field(RecordBatch::kHopsFieldNumber, hop_message(), out);
    if (legs_.legs.rows() != 0) append_bytes_field(RecordBatch::kLegsFieldNumber, leg_message(), out);
    metrics_.finish(out);
  }

 private:
  template <class Record>
  std::uint32_t put_connection(const Record& record, ColumnWriter& columns, int column) {
    assert(record.point < past_.next_record_id.size());
    const std::uint32_t used = connections_.size();
    const std::uint32_t number = connections_.find(record);
    if (number == used) past_.connections.emplace_back();
    columns.put(column, coding::reference(number, past_.connection, used));
    past_.connection = number;
    return number;
  }
  void put_ids(const flowtable::HopRecord& hop) {
    using Number = hoptap::v1::HeaderIdColumns;
    const std::size_t count = std::min(hop.ids.size(), batch_limit::kIdsPerRecord);
    hops_.hops.put(hoptap::v1::HopColumns::kIdsFieldNumber, count);
    for (std::size_t at = 0; at < count; ++at) {
      const flowtable::HeaderId& id = hop.ids[at];
      hops_.ids.plain(Number::kKindFieldNumber, id.kind);
      hops_.ids.plain(Number::kInResponseFieldNumber, id.in_response);
      texts_.refer(hops_.ids, Number::kValueFieldNumber, id.value, past_.row.id_value);
      hops_.ids.next_row();
    }
  }
  static void put_messages(ColumnWriter& messages, ColumnWriter& copies, int field, std::string& out) {
    std::string message;
    messages.finish(message);
    put_message(hoptap::v1::MessageColumns::kKeptCopiesFieldNumber, copies, message);
    if (!message.empty()) append_bytes_field(field, message, out);
  }
  std::string hop_message() {
    using Number = hoptap::v1::HopColumns;
    std::string message;
    append_number_field(Number::kRowsFieldNumber, hops_.hops.rows(), message);
    hops_.hops.finish(message);
    put_messages(hops_.request, hops_.request_copies, Number::kRequestFieldNumber, message);
    put_messages(hops_.response, hops_.response_copies, Number::kResponseFieldNumber, message);
    put_message(Number::kToServerResetFieldNumber, hops_.to_server_reset, message);
    put_message(Number::kToClientResetFieldNumber, hops_.to_client_reset, message);
    put_message(Number::kHeaderIdsFieldNumber, hops_.ids, message);
    return message;
  }
  std::string leg_message() {
    using Number = hoptap::v1::LegColumns;
    std::string message;
    append_number_field(Number::kRowsFieldNumber, legs_.legs.rows(), message);
    legs_.legs.finish(message);
    put_message(Number::kToServerFieldNumber, legs_.to_server, message);
    put_message(Number::kToClientFieldNumber, legs_.to_client, message);
    return message;
  }

  TextWriter texts_;
  HashWriter table_;
  ConnectionWriter connections_;
  BatchPast past_;
  MetricsWriterColumns metrics_;
  HopColumnSet<ColumnWriter, TextWriter, HashWriter> hops_{texts_, table_, {}, {}, {}, {}, {}, {}, {}, {}};
  LegColumnSet<ColumnWriter, TextWriter, HashWriter> legs_{texts_, table_, {}, {}, {}};
};

}  // namespace

std::size_t text_bytes(const flowtable::HopRecord& record) {
  std::size_t bytes = 0;
  for (const std::string* text : {&record.protocol, &record.method, &record.resource, &record.endpoint})
    bytes += std::min(text->size(), batch_limit::kTextBytes);
  for (const flowtable::HeaderId& id : record.ids) bytes += std::min(id.value.size(), batch_limit::kTextBytes);
  return bytes;
}

std::string encode_batch(const Batch& batch) {
  assert(batch.points.size() <= batch_limit::kPoints);
  assert(batch.hops.size() + batch.legs.size() <= batch_limit::kRecords);
  assert(batch.metrics.size() <= batch_limit::kMetricsRows);
  std::string out;
  for (const BatchPoint& point : batch.points)
    append_bytes_field(RecordBatch::kPointsFieldNumber, point_message(point), out);
  BatchWriter writer(batch.points.size());
  for (const flowtable::HopRecord& hop : batch.hops) writer.add(hop);
  for (const flowtable::LegRecord& leg : batch.legs) writer.add(leg);
  for (const MetricsRow& row : batch.metrics) writer.add(row);
  writer.finish(out);
  return out;
}

}  // namespace hoptap::exporting
