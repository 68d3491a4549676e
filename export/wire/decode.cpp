#include <algorithm>
#include <bit>

#include "export/wire/batch.h"
#include "export/wire/connections.h"
#include "export/wire/metrics_columns.h"
#include "export/wire/visit_hop.h"
#include "export/wire/visit_leg.h"

namespace hoptap::exporting {
namespace {

using hoptap::v1::RecordBatch;

constexpr std::uint64_t kKnownChanges = 0;  ///< bits of RecordBatch.must_know that this version understands
constexpr std::size_t kPointBytesMax = 16u << 10;

/// A batch with its parts as they lie. Borrows the bytes.
struct RawBatch {
  std::vector<std::string_view> points;
  std::string_view text;
  std::string_view text_sizes;
  std::string_view hashes;
  std::vector<std::string_view> addresses;
  ConnectionFields connections;
  std::string_view hops;
  std::string_view legs;
  std::string_view metrics;
};

bool take_once(std::string_view bytes, std::string_view& part) {
  if (part.data() != nullptr) return false;
  part = bytes;
  return true;
}

bool take_part(const Field& field, RawBatch& raw) {
  switch (field.number) {
    case RecordBatch::kPointsFieldNumber: return raw.points.push_back(field.bytes), true;
    case RecordBatch::kTextFieldNumber: return take_once(field.bytes, raw.text);
    case RecordBatch::kTextSizesFieldNumber: return take_once(field.bytes, raw.text_sizes);
    case RecordBatch::kHashesFieldNumber: return take_once(field.bytes, raw.hashes);
    case RecordBatch::kAddressesFieldNumber: return raw.addresses.push_back(field.bytes), true;
    case RecordBatch::kVantagesFieldNumber: return raw.connections.vantages.push_back(field.bytes), true;
    case RecordBatch::kConnectionsFieldNumber: return take_once(field.bytes, raw.connections.columns);
    case RecordBatch::kHopsFieldNumber: return take_once(field.bytes, raw.hops);
    case RecordBatch::kLegsFieldNumber: return take_once(field.bytes, raw.legs);
    case RecordBatch::kMetricsFieldNumber: return take_once(field.bytes, raw.metrics);
    case RecordBatch::kProcessesFieldNumber: return raw.connections.processes.push_back(field.bytes), true;
    default: return true;
  }
}

RawBatch split(std::string_view bytes, Trouble& trouble) {
  RawBatch raw;
  if (bytes.size() > batch_limit::kBatchBytes)
    trouble.say(std::to_string(bytes.size()) + " bytes are more than allowed");
  FieldReader fields(bytes);
  for (Field field; !trouble.any() && fields.next(field);) {
    const bool known = RecordBatch::descriptor()->FindFieldByNumber(static_cast<int>(field.number)) != nullptr;
    if (!known) continue;
    const bool is_number = field.number == RecordBatch::kMustKnowFieldNumber;
    const auto name = [&] { return "field " + std::to_string(field.number); };
    if (field.type != (is_number ? FieldType::kNumber : FieldType::kBytes)) {
      trouble.say(name() + " is of another type");
    } else if (is_number && (field.value & ~kKnownChanges) != 0) {
      trouble.say("made by a newer version with change " +
                  std::to_string(std::countr_zero(field.value & ~kKnownChanges)) + "; update this side first");
    } else if (!is_number && !take_part(field, raw)) {
      trouble.say(name() + " is there twice");
    }
  }
  if (!fields.ok()) trouble.say("not protobuf, or cut");
  return raw;
}

BatchPoint point_of(std::string_view bytes, Trouble& trouble) {
  hoptap::v1::Point message;
  if (bytes.size() > kPointBytesMax || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    trouble.say("a point is not protobuf or too long");
  if (message.name().size() > batch_limit::kNameBytes || message.role().size() > batch_limit::kNameBytes)
    trouble.say("a point's name or role is longer than allowed");
  const auto is_long = [](const hoptap::v1::Stamp& stamp) { return stamp.by().size() > PointStamp::kNameBytesMax; };
  if (message.stamps().size() > static_cast<int>(PointStamp::kOfPointMax) ||
      std::any_of(message.stamps().begin(), message.stamps().end(), is_long))
    trouble.say("a point has more stamps, or with longer names, than allowed");
  BatchPoint point;
  if (trouble.any()) return point;
  point.name = message.name();
  point.role = message.role();
  if (message.has_order()) point.order = message.order();
  point.reached_ns = message.reached_ns();
  point.packets = message.packets();
  if (message.has_lost_packets()) point.lost_packets = message.lost_packets();
  point.ended = message.ended();
  for (const hoptap::v1::Stamp& stamp : message.stamps())
    point.stamps.push_back({.by = stamp.by(), .unit_ns = stamp.unit_ns(), .packets = stamp.packets()});
  return point;
}

class BatchReader {
 public:
  BatchReader(const RawBatch& raw, std::size_t points, Trouble& trouble) : trouble_(trouble) {
    texts_.open(raw.text, raw.text_sizes, trouble_);
    table_.open(raw.hashes, trouble_);
    addresses_ = read_addresses(raw.addresses, trouble_);
    connections_ = read_connections(raw.connections, addresses_, points, trouble_);
    past_.next_record_id.resize(points);
    past_.connections.resize(connections_.size());
    open_hops(raw.hops);
    open_legs(raw.legs);
    metrics_.open(raw.metrics, trouble_);
    const std::uint64_t hops = hops_.hops.number(hoptap::v1::HopColumns::kRowsFieldNumber);
    const std::uint64_t legs = legs_.legs.number(hoptap::v1::LegColumns::kRowsFieldNumber);
    if (hops > batch_limit::kRecords || legs > batch_limit::kRecords - hops) trouble_.say("more records than allowed");
  }

  void read(Batch& batch) {
    const std::uint64_t hops = hops_.hops.number(hoptap::v1::HopColumns::kRowsFieldNumber);
    const std::uint64_t legs = legs_.legs.number(hoptap::v1::LegColumns::kRowsFieldNumber);
    if (trouble_.any()) return;
    batch.hops.reserve(hops);
    batch.legs.reserve(legs);
    for (std::uint64_t at = 0; at < hops && !trouble_.any(); ++at) read(batch.hops.emplace_back());
    for (std::uint64_t at = 0; at < legs && !trouble_.any(); ++at) read(batch.legs.emplace_back());
    for (ColumnReader* columns :
         {&hops_.hops, &hops_.request, &hops_.response, &hops_.request_copies, &hops_.response_copies,
          &hops_.to_server_reset, &hops_.to_client_reset, &hops_.ids, &legs_.legs, &legs_.to_server, &legs_.to_client})
      columns->finish();
    metrics_.read(texts_, addresses_, past_.next_record_id.size(), batch.metrics);
  }

 private:
  void open_hops(std::string_view message) {
    using Number = hoptap::v1::HopColumns;
    using Message = hoptap::v1::MessageColumns;
    const auto& of_message = *Message::descriptor();
    const auto& of_copy = *hoptap::v1::CopyColumns::descriptor();
    const auto& of_reset = *hoptap::v1::ResetColumns::descriptor();
    hops_.hops.open(message, *Number::descriptor(), trouble_);
    hops_.request.open(hops_.hops.bytes(Number::kRequestFieldNumber), of_message, trouble_);
    hops_.response.open(hops_.hops.bytes(Number::kResponseFieldNumber), of_message, trouble_);
    hops_.request_copies.open(hops_.request.bytes(Message::kKeptCopiesFieldNumber), of_copy, trouble_);
    hops_.response_copies.open(hops_.response.bytes(Message::kKeptCopiesFieldNumber), of_copy, trouble_);
    hops_.to_server_reset.open(hops_.hops.bytes(Number::kToServerResetFieldNumber), of_reset, trouble_);
    hops_.to_client_reset.open(hops_.hops.bytes(Number::kToClientResetFieldNumber), of_reset, trouble_);
    hops_.ids.open(hops_.hops.bytes(Number::kHeaderIdsFieldNumber), *hoptap::v1::HeaderIdColumns::descriptor(),
                   trouble_);
  }
  void open_legs(std::string_view message) {
    using Number = hoptap::v1::LegColumns;
    const auto& of_direction = *hoptap::v1::DirectionColumns::descriptor();
    legs_.legs.open(message, *Number::descriptor(), trouble_);
    legs_.to_server.open(legs_.legs.bytes(Number::kToServerFieldNumber), of_direction, trouble_);
    legs_.to_client.open(legs_.legs.bytes(Number::kToClientFieldNumber), of_direction, trouble_);
  }

  void read(flowtable::HopRecord& hop) {
    const std::size_t number = take_connection(hops_.hops, hoptap::v1::HopColumns::kConnectionFieldNumber);
    if (trouble_.any()) return;
    set_connection(connections_[number], hop);
    visit_hop(hops_, hop, connections_[number], past_, past_.connections[number]);
    take_ids(hop);
  }
  void read(flowtable::LegRecord& leg) {
    using Number = hoptap::v1::LegColumns;
    const std::size_t number = take_connection(legs_.legs, Number::kConnectionFieldNumber);
    if (trouble_.any()) return;
    set_connection(connections_[number], leg);
    const std::uint64_t close = legs_.legs.take(Number::kCloseFieldNumber);
    if (close <= static_cast<std::uint64_t>(flowtable::CloseType::kEvicted))  // else a newer version's: as good as open
      leg.close = static_cast<flowtable::CloseType>(close);
    visit_leg(legs_, leg, connections_[number], past_.leg, past_.connections[number]);
  }
  std::size_t take_connection(ColumnReader& columns, int column) {
    const std::uint64_t number = coding::from_reference(columns.take(column), past_.connection, used_);
    if (number > used_ || number >= connections_.size()) {
      columns.refuse(column, "names a connection that is not there");
      return 0;
    }
    if (number == used_) ++used_;
    past_.connection = number;
    return number;
  }
  /// Identifiers of a kind that this version does not know are left out.
  void take_ids(flowtable::HopRecord& hop) {
    using Number = hoptap::v1::HeaderIdColumns;
    const std::uint64_t count = hops_.hops.take(hoptap::v1::HopColumns::kIdsFieldNumber);
    ids_ += count;
    if (count > batch_limit::kIdsPerRecord || ids_ > batch_limit::kIds)
      return hops_.hops.refuse(hoptap::v1::HopColumns::kIdsFieldNumber, "has more than allowed");
    hop.ids.reserve(count);
    for (std::uint64_t at = 0; at < count && !trouble_.any(); ++at) {
      flowtable::HeaderId id;
      const std::uint64_t kind = hops_.ids.take(Number::kKindFieldNumber);
      id.in_response = hops_.ids.take(Number::kInResponseFieldNumber) != 0;
      texts_.refer(hops_.ids, Number::kValueFieldNumber, id.value, past_.row.id_value);
      if (kind > static_cast<std::uint64_t>(flowtable::IdKind::kPinpoint)) continue;
      id.kind = static_cast<flowtable::IdKind>(kind);
      hop.ids.push_back(std::move(id));
    }
  }

  Trouble& trouble_;
  TextReader texts_;
  HashReader table_;
  std::vector<base::IpAddress> addresses_;
  std::vector<Connection> connections_;
  MetricsReaderColumns metrics_;
  std::size_t used_ = 0;   ///< connections so far
  std::uint64_t ids_ = 0;  ///< header identifiers so far
  BatchPast past_;
  HopColumnSet<ColumnReader, TextReader, HashReader> hops_{texts_, table_, {}, {}, {}, {}, {}, {}, {}, {}};
  LegColumnSet<ColumnReader, TextReader, HashReader> legs_{texts_, table_, {}, {}, {}};
};

}  // namespace

base::Outcome<Batch> decode_batch(std::string_view bytes) {
  Trouble trouble;
  Batch batch;
  const RawBatch raw = split(bytes, trouble);
  if (raw.points.size() > batch_limit::kPoints) trouble.say("more points than allowed");
  for (const std::string_view point : raw.points) {
    if (trouble.any()) break;
    batch.points.push_back(point_of(point, trouble));
  }
  if (!trouble.any()) BatchReader(raw, batch.points.size(), trouble).read(batch);
  if (trouble.any()) return tl::unexpected(base::Failure{"record batch: " + trouble.what});
  return batch;
}

}  // namespace hoptap::exporting
