// How messages and their segments become fields of a HopRecord. Private to exchange_queue.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
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

/// Is there room for texts of so many bytes? They are the exchange's then.
inline bool take_text_room(Exchange& exchange, std::size_t bytes, TableContext& context) {
  if (bytes == 0) return true;
  if (context.strain != Strain::kNone || context.text_bytes + bytes > context.config.text_bytes_max) [[unlikely]] {
    ++context.counters.texts_refused;
    return false;
  }
  context.text_bytes += bytes;
  exchange.text_bytes += static_cast<std::uint32_t>(bytes);
  return true;
}

/// Keeps the memory of small texts for others.
[[gnu::noinline]] inline void clear_texts(HopRecord& record, TableContext& context) {
  constexpr std::size_t kSpareMax = 4096;
  for (std::string* text : {&record.method, &record.resource, &record.endpoint})
    if (text->capacity() > kSmallTextBytes) std::string().swap(*text);
  for (HeaderId& id : record.ids)
    if (id.value.capacity() <= kSmallTextBytes && context.spare_ids.size() < kSpareMax)
      context.spare_ids.push_back(std::move(id));
  record.ids.clear();
}

inline void give_back_texts(Exchange& exchange, TableContext& context) {
  const std::size_t bytes = std::exchange(exchange.text_bytes, 0);
  context.text_bytes -= bytes;
  if (bytes > kSmallTextBytes || !exchange.record.ids.empty()) clear_texts(exchange.record, context);
}

inline void fill_application(Exchange& exchange, const decode::l7::Parser& parser, const decode::l7::Message& message,
                             TableContext& context) {
  HopRecord& record = exchange.record;
  if (std::exchange(exchange.parser, &parser) != &parser) record.protocol = parser.name;
  const std::size_t bytes = message.method.size() + message.resource.size() + message.endpoint.size();
  if (take_text_room(exchange, bytes, context)) [[likely]] {
    record.method.assign(base::as_text(message.method));
    record.resource.assign(base::as_text(message.resource));
    record.endpoint.assign(base::as_text(message.endpoint));
  } else {
    record.method.assign(message.method.size() <= kSmallTextBytes ? base::as_text(message.method) : std::string_view());
    record.resource.clear();
    record.endpoint.clear();
  }
  record.key = message.key;
  record.canonical_hash = canonical_hash(message);
}

inline void add_id(Exchange& exchange, const decode::l7::IdField& field, bool in_response, TableContext& context) {
  if (!take_text_room(exchange, field.value.size(), context)) return;
  std::vector<HeaderId>& spare = context.spare_ids;
  HeaderId id;
  if (!spare.empty()) {
    id = std::move(spare.back());
    spare.pop_back();
  }
  id.kind = field.kind;
  id.in_response = in_response;
  id.value.assign(base::as_text(field.value));
  exchange.record.ids.push_back(std::move(id));
}

[[gnu::noinline]] inline void add_ids(Exchange& exchange, const decode::l7::Message& message, TableContext& context) {
  const bool in_response = message.kind == decode::l7::Kind::kResponse;
  for (std::size_t i = 0; i < message.id_count; ++i) add_id(exchange, message.ids[i], in_response, context);
}

/// What a message of either direction adds to the record.
inline void note_message(Exchange& exchange, const decode::l7::Message& message, TableContext& context) {
  HopRecord& record = exchange.record;
  if (message.encrypted) record.flags |= record_flag::kEncrypted;
  if (message.upgrades) record.flags |= record_flag::kUpgraded;
  if (message.has_status) {
    record.status = message.status;
    record.has_status = true;
  }
  if (message.id_count != 0) add_ids(exchange, message, context);
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
