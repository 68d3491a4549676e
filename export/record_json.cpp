// hop_json() and leg_json(): records for golden files.
#include <algorithm>
#include <cstddef>

#include "export/json.h"
#include "export/json_value.h"

namespace hoptap::exporting {
namespace {

namespace json = boost::json;
using flowtable::HopRecord;
using flowtable::LegRecord;
using flowtable::MessageRecord;

const char* id_name(flowtable::IdKind kind) {
  switch (kind) {
    case flowtable::IdKind::kRequestId: return "x-request-id";
    case flowtable::IdKind::kTraceParent: return "traceparent";
    case flowtable::IdKind::kB3: return "b3";
    case flowtable::IdKind::kSw8: return "sw8";
    case flowtable::IdKind::kUberTraceId: return "uber-trace-id";
    case flowtable::IdKind::kPinpoint: return "pinpoint";
  }
  return "unknown";
}

const char* close_name(flowtable::CloseType close) {
  switch (close) {
    case flowtable::CloseType::kOpen: return "open";
    case flowtable::CloseType::kFin: return "fin";
    case flowtable::CloseType::kReset: return "reset";
    case flowtable::CloseType::kIdle: return "idle";
    case flowtable::CloseType::kReused: return "reused";
    case flowtable::CloseType::kEvicted: return "evicted";
  }
  return "unknown";
}

json::array copies(const MessageRecord& message) {
  json::array list;
  const std::size_t kept = std::min<std::size_t>(message.copies, MessageRecord::kCopiesMax);
  for (std::size_t at = 0; at < kept; ++at) {
    const flowtable::Copy& copy = message.copy[at];
    list.push_back({{"delay_ns", copy.delay_ns}, {"tsval", copy.tsval}, {"ip_id", copy.ip_id}});
  }
  return list;
}

json::value message(const MessageRecord& message, bool tcp) {
  if (!message.seen()) return nullptr;
  json::object out{{"first_ns", message.first_ns}, {"last_ns", message.last_ns}, {"bytes", message.bytes}};
  if (tcp) {
    out["sequence"] = message.sequence;
    out["end_sequence"] = message.end_sequence;
  }
  put_unless_zero(out, "tsval", message.tsval);
  put_unless_zero(out, "tsecr", message.tsecr);
  put_unless_zero(out, "ip_id", message.ip_id);
  put_unless_zero(out, "ttl", message.ttl);
  put_unless_zero(out, "ack_ns", message.ack_ns);
  put_unless_zero(out, "ack_wait_ns", message.ack_wait_ns);
  put_unless_zero(out, "ack_release_ns", message.ack_release_ns);
  put_unless_zero(out, "copies", message.copies);
  if (message.copies > 0) out["copy"] = copies(message);
  put_unless_zero(out, "last_copy_ns", message.last_copy_ns);
  put_unless_zero(out, "retransmissions", message.retransmissions);
  put_unless_zero(out, "out_of_order", message.out_of_order);
  put_unless_zero(out, "duplicate_acks", message.duplicate_acks);
  put_unless_zero(out, "sack_blocks", message.sack_blocks);
  put_unless_zero(out, "unseen_bytes", message.unseen_bytes);
  put_unless_zero(out, "zero_window_ns", message.zero_window_ns);
  return out;
}

void put_reset(const char* key, const flowtable::Reset& reset, json::object& out) {
  if (!reset.seen()) return;
  json::object one{{"time_ns", reset.time_ns}, {"ttl", reset.ttl}, {"usual_ttl", reset.usual_ttl}};
  put_unless_zero(one, "ip_id", reset.ip_id);
  out[key] = std::move(one);
}

void put_vantage(const flowtable::Vantage& vantage, json::object& out) {
  const base::Link& link = vantage.link;
  if (link.source != base::MacAddress{}) out["source_mac"] = link.source.text();
  if (link.target != base::MacAddress{}) out["target_mac"] = link.target.text();
  if (link.vlan_count > 0) {
    json::array vlans;
    for (std::size_t at = 0; at < std::min<std::size_t>(link.vlan_count, link.vlans.size()); ++at) {
      vlans.emplace_back(link.vlans[at]);
    }
    out["vlans"] = std::move(vlans);
  }
  put_unless_zero(out, "interface", link.interface_index);
  if (vantage.tunnels.depth > 0) out["tunnels"] = tunnels(vantage.tunnels);
}

json::object direction(const LegRecord::Direction& direction) {
  json::object out{{"packets", direction.packets}, {"bytes", direction.bytes}};
  put_unless_zero(out, "acknowledged_bytes", direction.acknowledged_bytes);
  put_unless_zero(out, "unseen_bytes", direction.unseen_bytes);
  put_unless_zero(out, "retransmissions", direction.retransmissions);
  put_unless_zero(out, "out_of_order", direction.out_of_order);
  put_unless_zero(out, "syn_copies", direction.syn_copies);
  put_unless_zero(out, "duplicates_removed", direction.duplicates_removed);
  put_unless_zero(out, "ttl", direction.ttl);
  return out;
}

}  // namespace

std::string hop_json(const HopRecord& record) {
  json::object out{{"type", "hop"}, {"protocol", record.protocol}};
  if (!record.method.empty()) out["method"] = utf8(record.method);
  if (!record.resource.empty()) out["resource"] = utf8(record.resource);
  if (!record.endpoint.empty()) out["endpoint"] = utf8(record.endpoint);
  if (record.has_status) out["status"] = record.status;
  out["transport"] = transport_name(record.transport);
  out["client"] = record.client.text();
  out["server"] = record.server.text();
  if (record.flags != 0) out["flags"] = flag_names(record.flags);
  if (record.closing != 0) out["closing"] = closing_names(record.closing);
  put_vantage(record.vantage, out);
  put_processes(record.processes, out);
  put_unless_zero(out, "key", record.key);
  put_unless_zero(out, "client_isn", record.client_isn);
  put_unless_zero(out, "server_isn", record.server_isn);
  out["request"] = message(record.request, record.transport == 6);
  out["response"] = message(record.response, record.transport == 6);
  put_reset("to_server_reset", record.to_server_reset, out);
  put_reset("to_client_reset", record.to_client_reset, out);
  json::array ids;
  for (const flowtable::HeaderId& id : record.ids) {
    json::object one{{"kind", id_name(id.kind)}, {"value", utf8(id.value)}};
    if (id.in_response) one["in_response"] = true;
    ids.push_back(std::move(one));
  }
  if (!ids.empty()) out["ids"] = std::move(ids);
  return line_of(out);
}

std::string leg_json(const LegRecord& record) {
  json::object out{{"type", "leg"}, {"protocol", record.protocol}, {"transport", transport_name(record.transport)}};
  out["client"] = record.client.text();
  out["server"] = record.server.text();
  if (record.flags != 0) out["flags"] = flag_names(record.flags);
  out["close"] = close_name(record.close);
  if (record.closing != 0) out["closing"] = closing_names(record.closing);
  put_vantage(record.vantage, out);
  put_processes(record.processes, out);
  out["first_ns"] = record.first_ns;
  out["last_ns"] = record.last_ns;
  put_unless_zero(out, "syn_ns", record.syn_ns);
  put_unless_zero(out, "syn_ack_ns", record.syn_ack_ns);
  put_unless_zero(out, "ack_ns", record.ack_ns);
  put_unless_zero(out, "client_isn", record.client_isn);
  put_unless_zero(out, "server_isn", record.server_isn);
  out["exchanges"] = record.exchanges;
  out["to_server"] = direction(record.to_server);
  out["to_client"] = direction(record.to_client);
  return line_of(out);
}

}  // namespace hoptap::exporting
