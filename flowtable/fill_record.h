// How messages and their segments become fields of a HopRecord. Private to exchange_queue.cpp.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "decode/l7/parser.h"
#include "flowtable/exchange_queue.h"
#include "flowtable/record.h"
#include "flowtable/stamp.h"

namespace hoptap::flowtable {

inline void add_copy(MessageRecord& message, const Stamp& stamp) {
  if (message.copies < MessageRecord::kCopiesMax)
    message.copy[message.copies] = {stamp.time_ns - message.first_ns, stamp.tsval, stamp.ip_id};
  if (message.copies < UINT8_MAX) ++message.copies;
  message.last_copy_ns = stamp.time_ns;
}

inline void fill_message(MessageRecord& record, const MessageStart& start) {
  record.first_ns = record.last_ns = start.stamp.time_ns;
  record.sequence = record.end_sequence = start.sequence;
  record.tsval = start.stamp.tsval;
  record.tsecr = start.stamp.tsecr;
  record.ip_id = start.stamp.ip_id;
  record.ttl = start.stamp.ttl;
  record.head_hash = start.head_hash;
}

inline std::uint64_t canonical_hash(const decode::l7::Message& message) {
  return base::hash_values(base::hash_bytes(message.method), base::hash_bytes(message.resource),
                           base::hash_bytes(message.endpoint));
}

inline void fill_application(HopRecord& record, const decode::l7::Parser& parser, const decode::l7::Message& message) {
  record.protocol = parser.name;
  record.method.assign(base::as_text(message.method));
  record.resource.assign(base::as_text(message.resource));
  record.endpoint.assign(base::as_text(message.endpoint));
  record.key = message.key;
  record.canonical_hash = canonical_hash(message);
}

inline void add_id(HopRecord& record, const decode::l7::IdField& field, bool in_response,
                   std::vector<HeaderId>& spare) {
  HeaderId id;
  if (!spare.empty()) {
    id = std::move(spare.back());
    spare.pop_back();
  }
  id.kind = field.kind;
  id.in_response = in_response;
  id.value.assign(base::as_text(field.value));
  record.ids.push_back(std::move(id));
}

/// What a message of either direction adds to the record.
inline void note_message(HopRecord& record, const decode::l7::Message& message, bool is_response,
                         std::vector<HeaderId>& spare_ids) {
  if (message.encrypted) record.flags |= record_flag::kEncrypted;
  if (message.upgrades) record.flags |= record_flag::kUpgraded;
  if (message.has_status) {
    record.status = message.status;
    record.has_status = true;
  }
  for (std::size_t i = 0; i < message.id_count; ++i) add_id(record, message.ids[i], is_response, spare_ids);
}

/// Health of one direction while the exchange lasted.
inline void fill_health(MessageRecord& record, const DirectionHealth& before, const DirectionHealth& now) {
  record.out_of_order = now.out_of_order - before.out_of_order;
  record.duplicate_acks = now.duplicate_acks - before.duplicate_acks;
  record.sack_blocks = now.sack_blocks - before.sack_blocks;
  record.unseen_bytes = now.unseen_bytes - before.unseen_bytes;
  record.zero_window_ns = now.zero_window_ns - before.zero_window_ns;
}

}  // namespace hoptap::flowtable
