// Every field of a hop record that is not its connection's, with its column and what it is coded against; once for
// writing (Record is const) and for reading. Private to export/wire.
#pragma once

#include <records.pb.h>

#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "export/wire/past.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// The columns of hop records and of the messages inside.
template <class Columns, class Texts, class Hashes>
struct HopColumnSet {
  Texts& texts;
  Hashes& hashes;
  Columns hops;
  Columns request;
  Columns response;
  Columns request_copies;
  Columns response_copies;
  Columns to_server_reset;
  Columns to_client_reset;
  Columns ids;

  void next_row() {
    for (Columns* columns : {&hops, &request, &response, &to_server_reset, &to_client_reset}) columns->next_row();
  }
};

/// What is expected of a message.
struct MessageExpected {
  std::uint64_t bytes = 0;
  std::uint32_t sequence = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 0;
};

inline std::uint32_t expected_tsval(const WayPast& way, std::uint64_t time_ns) {
  constexpr std::uint64_t kTickNs = 1'000'000;  // RFC 7323 allows others; this one is what hosts use
  if (way.tsval == 0 || time_ns < way.time_ns) return way.tsval;
  return way.tsval + static_cast<std::uint32_t>((time_ns - way.time_ns) / kTickNs);
}

inline MessageExpected expect(const WayPast& way, std::uint32_t isn, std::uint8_t ttl, std::uint64_t time_ns) {
  MessageExpected expected;
  if (time_ns == 0) return expected;
  expected.bytes = way.bytes;
  expected.sequence = way.seen ? way.next_sequence : isn == 0 ? 0 : isn + 1;
  expected.tsval = expected_tsval(way, time_ns);
  expected.ip_id = way.ip_id;
  expected.ttl = way.seen ? way.ttl : ttl;
  return expected;
}

inline void remember(const flowtable::MessageRecord& message, WayPast& way, std::uint8_t& ttl) {
  if (!message.seen()) return;
  way = {.seen = true,
         .ttl = message.ttl,
         .ip_id = message.ip_id,
         .next_sequence = message.end_sequence,
         .tsval = message.tsval,
         .time_ns = message.first_ns,
         .bytes = message.bytes,
         .bytes_sum = way.bytes_sum + message.bytes};
  ttl = message.ttl;
}

template <class Columns, class Message>
void visit_times(Columns& columns, Message& message, std::uint64_t expected_ns) {
  using Number = hoptap::v1::MessageColumns;
  columns.time(Number::kFirstNsFieldNumber, message.first_ns, expected_ns);
  columns.time(Number::kLastNsFieldNumber, message.last_ns, message.first_ns);
  columns.time(Number::kLastCopyNsFieldNumber, message.last_copy_ns, message.first_ns);
}

template <class Columns, class Message>
void visit_message(Columns& columns, Message& message, const MessageExpected& expected) {
  using Number = hoptap::v1::MessageColumns;
  columns.plain(Number::kAckWaitNsFieldNumber, message.ack_wait_ns);
  columns.plain(Number::kAckReleaseNsFieldNumber, message.ack_release_ns);
  columns.difference(Number::kBytesFieldNumber, message.bytes, expected.bytes);
  columns.difference(Number::kSequenceFieldNumber, message.sequence, expected.sequence);
  // Datagrams have no sequence numbers; their end stays 0.
  const std::uint32_t length = message.sequence == 0 ? 0 : static_cast<std::uint32_t>(message.bytes);
  columns.difference(Number::kEndSequenceFieldNumber, message.end_sequence, message.sequence + length);
  columns.difference(Number::kTsvalFieldNumber, message.tsval, expected.tsval);
  columns.difference(Number::kTsecrFieldNumber, message.tsecr, expected.tsecr);
  columns.difference(Number::kIpIdFieldNumber, message.ip_id, expected.ip_id);
  columns.difference(Number::kTtlFieldNumber, message.ttl, expected.ttl);
  columns.plain(Number::kCopiesFieldNumber, message.copies);
  columns.plain(Number::kRetransmissionsFieldNumber, message.retransmissions);
  columns.plain(Number::kOutOfOrderFieldNumber, message.out_of_order);
  columns.plain(Number::kDuplicateAcksFieldNumber, message.duplicate_acks);
  columns.plain(Number::kSackBlocksFieldNumber, message.sack_blocks);
  columns.plain(Number::kUnseenBytesFieldNumber, message.unseen_bytes);
  columns.plain(Number::kZeroWindowNsFieldNumber, message.zero_window_ns);
}

template <class Columns, class Message>
void visit_copies(Columns& columns, Message& message) {
  using Number = hoptap::v1::CopyColumns;
  for (std::size_t at = 0; at < message.copies && at < message.copy.size(); ++at) {
    auto& copy = message.copy[at];
    columns.plain(Number::kDelayNsFieldNumber, copy.delay_ns);
    columns.difference(Number::kTsvalFieldNumber, copy.tsval, message.tsval);
    columns.difference(Number::kIpIdFieldNumber, copy.ip_id, message.ip_id);
    columns.next_row();
  }
}

template <class Columns, class Reset>
void visit_reset(Columns& columns, Reset& reset, std::uint64_t expected_ns) {
  using Number = hoptap::v1::ResetColumns;
  columns.time(Number::kTimeNsFieldNumber, reset.time_ns, expected_ns);
  columns.plain(Number::kIpIdFieldNumber, reset.ip_id);
  columns.plain(Number::kTtlFieldNumber, reset.ttl);
  columns.difference(Number::kUsualTtlFieldNumber, reset.usual_ttl, reset.ttl);
}

template <class Set, class Record>
void visit_messages(Set& set, Record& record, const Connection& connection, RowPast& row, ConnectionPast& past) {
  using Number = hoptap::v1::MessageColumns;
  auto& request = record.request;
  auto& response = record.response;
  visit_times(set.request, request, row.time_ns);
  visit_times(set.response, response, request.seen() ? request.last_ns : row.time_ns);
  set.request.time(Number::kAckNsFieldNumber, request.ack_ns, request.last_ns, response.first_ns);
  set.response.time(Number::kAckNsFieldNumber, response.ack_ns, response.last_ns);

  MessageExpected of_request = expect(past.to_server, connection.client_isn, row.request_ttl, request.first_ns);
  if (request.seen()) of_request.tsecr = past.to_client.tsval;
  visit_message(set.request, request, of_request);
  MessageExpected of_response = expect(past.to_client, connection.server_isn, row.response_ttl, response.first_ns);
  if (response.seen()) {
    if (!past.to_client.seen) of_response.tsval = request.tsecr;
    of_response.tsecr = request.tsval;
  }
  visit_message(set.response, response, of_response);
  visit_copies(set.request_copies, request);
  visit_copies(set.response_copies, response);
  set.hashes.refer(set.request, Number::kHeadHashFieldNumber, request.head_hash, row.request_hash);
  set.hashes.refer(set.response, Number::kHeadHashFieldNumber, response.head_hash, row.response_hash);

  remember(request, past.to_server, row.request_ttl);
  remember(response, past.to_client, row.response_ttl);
  row.time_ns = request.seen() ? request.first_ns : response.first_ns;
  if (past.exchanges++ == 0) past.first_ns = row.time_ns;
  past.last_ns = std::max({past.last_ns, request.last_ns, response.last_ns, response.ack_ns});
}

template <class Set, class Record>
void visit_application(Set& set, Record& record, RowPast& row) {
  using Number = hoptap::v1::HopColumns;
  set.texts.refer(set.hops, Number::kProtocolFieldNumber, record.protocol, row.protocol);
  set.texts.refer(set.hops, Number::kMethodFieldNumber, record.method, row.method);
  set.texts.refer(set.hops, Number::kResourceFieldNumber, record.resource, row.resource);
  set.texts.refer(set.hops, Number::kEndpointFieldNumber, record.endpoint, row.endpoint);
  set.hops.difference(Number::kStatusFieldNumber, record.status, row.status);
  row.status = record.status;
  std::uint8_t changed = record.has_status != row.has_status ? 1 : 0;  // when reading: still to come
  set.hops.plain(Number::kHasStatusFieldNumber, changed);
  if constexpr (!std::is_const_v<Record>) record.has_status = (changed != 0) != row.has_status;
  row.has_status = record.has_status;
  set.hops.plain(Number::kKeyFieldNumber, record.key);
  const std::uint64_t canonical =
      record.request.seen()
          ? base::hash_values(set.texts.hash(row.method), set.texts.hash(row.resource), set.texts.hash(row.endpoint))
          : 0;
  set.hops.fixed(Number::kCanonicalHashFieldNumber, record.canonical_hash, canonical);
}

/// All but the connection and the header identifiers.
template <class Set, class Record>
void visit_hop(Set& set, Record& record, const Connection& connection, BatchPast& past, ConnectionPast& own) {
  using Number = hoptap::v1::HopColumns;
  std::uint64_t& next_id = past.next_record_id[connection.point];
  set.hops.difference(Number::kRecordIdFieldNumber, record.record_id, next_id);
  next_id = record.record_id + 1;
  set.hops.difference(Number::kFlagsFieldNumber, record.flags, past.row.flags);
  past.row.flags = record.flags;
  set.hops.plain(Number::kClosingFieldNumber, record.closing);
  visit_messages(set, record, connection, past.row, own);
  const std::uint64_t end_ns = record.response.seen() ? record.response.last_ns : record.request.last_ns;
  visit_reset(set.to_server_reset, record.to_server_reset, end_ns);
  visit_reset(set.to_client_reset, record.to_client_reset, end_ns);
  visit_application(set, record, past.row);
}

}  // namespace hoptap::exporting
