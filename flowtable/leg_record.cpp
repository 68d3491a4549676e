#include "flowtable/leg_record.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "flowtable/session.h"

namespace hoptap::flowtable {
namespace {

void fill(Vantage& out, const Flow& flow, const TableContext& context) {
  const Vantage& seen = context.vantages[flow.vantage];
  out.link = seen.link;
  if (flow.link_of_server) std::swap(out.link.source, out.link.target);
  out.tunnels.depth = seen.tunnels.depth;
  std::copy_n(seen.tunnels.layers.begin(), seen.tunnels.depth, out.tunnels.layers.begin());
}

std::uint64_t absolute(const Flow& flow, ShortTime time) { return time.known() ? flow.first_ns + time.ns() : 0; }

void fill(LegRecord::Direction& out, const FlowSide& side, const LedgerSide* state) {
  out.packets = side.packets;
  out.bytes = side.payload_bytes;
  out.ttl = side.ttl;
  out.acknowledged_bytes = side.acknowledged_bytes();
  if (state == nullptr) return;
  const DirectionHealth health = state->health();
  out.retransmissions = state->retransmissions();
  out.out_of_order = health.out_of_order;
  out.unseen_bytes = health.unseen_bytes;
  out.syn_copies = state->syn_copies;
  out.duplicates_removed = state->duplicates_removed;
}

inline base::Endpoint make_endpoint(const Flow& flow, std::size_t end, const TableContext& context) {
  base::Endpoint endpoint;
  endpoint.port = flow.key.port(end);
  auto& bytes = endpoint.address.bytes;
  if (flow.key.is_wide()) {
    const auto& wide = context.wides[static_cast<SlabIndex>(flow.key.addresses)];
    std::memcpy(bytes.data(), &wide.words[2 * end], bytes.size());
  } else {
    const auto address = static_cast<std::uint32_t>(end == 0 ? flow.key.addresses >> 32 : flow.key.addresses);
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, &address, sizeof address);
  }
  return endpoint;
}

}  // namespace

base::Endpoint endpoint_of(const Flow& flow, std::size_t end, const TableContext& context) {
  return make_endpoint(flow, end, context);
}

void identify(HopRecord& record, const Flow& flow, const TableContext& context) {
  record.point = context.point_base + flow.key.interface_id();
  record.transport = flow.key.protocol();
  record.client = make_endpoint(flow, flow.client_end, context);
  record.server = make_endpoint(flow, 1u - flow.client_end, context);
  record.leg_id = flow.leg_id;
  fill(record.vantage, flow, context);
  record.client_isn = flow.side(Direction::kToServer).isn();
  record.server_isn = flow.side(Direction::kToClient).isn();
}

LegRecord leg_record(const Flow& flow, const Ledger* ledger, CloseType reason, const TableContext& context) {
  LegRecord record;
  record.point = context.point_base + flow.key.interface_id();
  record.leg_id = flow.leg_id;
  record.flags = flow.flags;
  record.transport = flow.key.protocol();
  record.closing = flow.closing;
  record.client = endpoint_of(flow, flow.client_end, context);
  record.server = endpoint_of(flow, 1u - flow.client_end, context);
  fill(record.vantage, flow, context);
  record.client_isn = flow.side(Direction::kToServer).isn();
  record.server_isn = flow.side(Direction::kToClient).isn();
  record.first_ns = flow.first_ns;
  record.last_ns = flow.last_ns;
  record.syn_ns = absolute(flow, flow.syn);
  record.syn_ack_ns = absolute(flow, flow.syn_ack);
  record.ack_ns = absolute(flow, flow.ack);
  record.syn_fingerprint = flow.syn_fingerprint;
  for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
    fill(d == Direction::kToServer ? record.to_server : record.to_client, flow.side(d),
         ledger != nullptr ? &ledger->side(d) : nullptr);
  }
  if (ledger != nullptr && ledger->session != nullptr) {
    record.protocol = ledger->session->protocol();
    record.exchanges = ledger->session->exchanges();
  }
  const bool reset = (flow.closing & (closing::kClientReset | closing::kServerReset)) != 0;
  record.close = !flow.ended ? reason : reset ? CloseType::kReset : CloseType::kFin;
  return record;
}

namespace {

CloseReason reset_reason(const Flow& flow, const Ledger* ledger) {
  bool by_client = (flow.closing & closing::kClientReset) != 0;
  if (by_client && (flow.closing & closing::kServerReset) != 0 && ledger != nullptr)  // the first of them ended it
    by_client = ledger->resets[index_of(Direction::kToServer)].time_ns <=
                ledger->resets[index_of(Direction::kToClient)].time_ns;
  const bool closed = (flow.closing & (closing::kClientFin | closing::kServerFin)) != 0;
  if (closed) return by_client ? CloseReason::kClientResetClosing : CloseReason::kServerResetClosing;
  const bool opening = flow.syn.known() && !flow.ack.known() && flow.side(Direction::kToServer).payload_bytes == 0;
  if (!opening) return by_client ? CloseReason::kClientReset : CloseReason::kServerReset;
  if (by_client) return CloseReason::kClientResetOpening;
  return flow.syn_ack.known() ? CloseReason::kServerResetOpening : CloseReason::kRefused;
}

}  // namespace

CloseReason close_reason(const Flow& flow, const Ledger* ledger, CloseType reason) {
  if ((flow.closing & (closing::kClientReset | closing::kServerReset)) != 0) return reset_reason(flow, ledger);
  constexpr std::uint8_t kBothFins = closing::kClientFin | closing::kServerFin;  // ended: with all of the bytes
  if (flow.ended || (flow.closing & kBothFins) == kBothFins) return CloseReason::kNormal;
  if (reason == CloseType::kOpen) return CloseReason::kOpen;
  const bool answered = flow.side(Direction::kToClient).payload_bytes > 0;  // then the connection was accepted
  if (ledger != nullptr && ledger->overflown && !answered) return CloseReason::kQueueOverflow;
  const bool spoke = flow.side(Direction::kToServer).payload_bytes + flow.side(Direction::kToClient).payload_bytes > 0;
  if (flow.key.protocol() == kTcp && flow.syn.known() && !flow.syn_ack.known() && !spoke &&
      flow.side(Direction::kToClient).packets == 0)
    return CloseReason::kUnansweredSyn;
  if (flow.syn_ack.known() && !flow.ack.known() && !spoke) return CloseReason::kUnansweredSynAck;
  if (reason == CloseType::kReused) return CloseReason::kReused;
  if (reason == CloseType::kEvicted) return CloseReason::kEvicted;
  return flow.closing != 0 ? CloseReason::kHalfClosed : CloseReason::kTimeout;
}

std::string_view close_reason_name(CloseReason reason) {
  static constexpr std::array<std::string_view, kCloseReasons> kNames{"open",
                                                                      "normal",
                                                                      "half_closed",
                                                                      "refused",
                                                                      "client_reset_opening",
                                                                      "server_reset_opening",
                                                                      "client_reset",
                                                                      "server_reset",
                                                                      "client_reset_closing",
                                                                      "server_reset_closing",
                                                                      "unanswered_syn",
                                                                      "unanswered_syn_ack",
                                                                      "queue_overflow",
                                                                      "timeout",
                                                                      "reused",
                                                                      "evicted"};
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace hoptap::flowtable
