// Every field of a leg record that is not its connection's, with its column and what it is coded against; once for
// writing (Record is const) and for reading. Private to export/wire.
#pragma once

#include <records.pb.h>

#include <cstdint>

#include "export/wire/past.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

template <class Columns, class Texts, class Hashes>
struct LegColumnSet {
  Texts& texts;
  Hashes& hashes;
  Columns legs;
  Columns to_server;
  Columns to_client;

  void next_row() {
    for (Columns* columns : {&legs, &to_server, &to_client}) columns->next_row();
  }
};

/// Bytes that went this way since the handshake, else in the exchanges of this batch.
inline std::uint64_t expected_bytes(const WayPast& way, std::uint32_t isn) {
  const bool tcp = isn != 0 && way.seen;
  return tcp ? way.next_sequence - (isn + 1) : way.bytes_sum;
}

template <class Columns, class Direction>
void visit_direction(Columns& columns, Direction& direction, std::uint64_t bytes, std::uint8_t transport,
                     std::uint64_t& packets, std::uint8_t ttl) {
  using Number = hoptap::v1::DirectionColumns;
  constexpr std::uint8_t kTcp = 6;
  columns.difference(Number::kPacketsFieldNumber, direction.packets, packets);
  packets = direction.packets;
  columns.difference(Number::kBytesFieldNumber, direction.bytes, bytes);
  columns.plain(Number::kUnseenBytesFieldNumber, direction.unseen_bytes);
  columns.difference(Number::kAcknowledgedBytesFieldNumber, direction.acknowledged_bytes,
                     transport == kTcp ? direction.bytes : 0);
  columns.plain(Number::kRetransmissionsFieldNumber, direction.retransmissions);
  columns.plain(Number::kOutOfOrderFieldNumber, direction.out_of_order);
  columns.plain(Number::kSynCopiesFieldNumber, direction.syn_copies);
  columns.plain(Number::kDuplicatesRemovedFieldNumber, direction.duplicates_removed);
  columns.difference(Number::kTtlFieldNumber, direction.ttl, ttl);
}

template <class Columns, class Record>
void visit_leg_times(Columns& columns, Record& leg, std::uint64_t before_ns, const ConnectionPast& past) {
  using Number = hoptap::v1::LegColumns;
  columns.time(Number::kFirstNsFieldNumber, leg.first_ns, past.exchanges != 0 ? past.first_ns : before_ns);
  columns.time(Number::kLastNsFieldNumber, leg.last_ns, past.exchanges != 0 ? past.last_ns : leg.first_ns);
  columns.time(Number::kSynNsFieldNumber, leg.syn_ns, leg.first_ns);
  columns.time(Number::kSynAckNsFieldNumber, leg.syn_ack_ns, leg.syn_ns);
  columns.time(Number::kAckNsFieldNumber, leg.ack_ns, leg.syn_ack_ns);
}

/// All but the connection and how it was closed.
template <class Set, class Record>
void visit_leg(Set& set, Record& leg, const Connection& connection, LegPast& past, const ConnectionPast& own) {
  using Number = hoptap::v1::LegColumns;
  set.legs.difference(Number::kFlagsFieldNumber, leg.flags, past.flags);
  past.flags = leg.flags;
  set.legs.plain(Number::kClosingFieldNumber, leg.closing);
  visit_leg_times(set.legs, leg, past.time_ns, own);
  past.time_ns = leg.first_ns;
  set.hashes.refer(set.legs, Number::kSynFingerprintFieldNumber, leg.syn_fingerprint, past.syn_fingerprint);
  set.legs.difference(Number::kExchangesFieldNumber, leg.exchanges, own.exchanges);
  set.texts.refer(set.legs, Number::kProtocolFieldNumber, leg.protocol, past.protocol);
  visit_direction(set.to_server, leg.to_server, expected_bytes(own.to_server, connection.client_isn),
                  connection.transport, past.packets[0], own.to_server.seen ? own.to_server.ttl : past.ttl[0]);
  visit_direction(set.to_client, leg.to_client, expected_bytes(own.to_client, connection.server_isn),
                  connection.transport, past.packets[1], own.to_client.seen ? own.to_client.ttl : past.ttl[1]);
  past.ttl = {leg.to_server.ttl, leg.to_client.ttl};
}

}  // namespace hoptap::exporting
