// What becomes of flows with time: ledgers open and close, idle flows settle, old ones end, reports fall due.
#include <algorithm>
#include <array>
#include <utility>

#include "flowtable/flow_table.h"
#include "flowtable/flow_update.h"
#include "flowtable/half_stream.h"
#include "flowtable/leg_record.h"
#include "flowtable/session.h"
#include "flowtable/tcp_steps.h"

namespace hoptap::flowtable {

namespace {

constexpr std::array kDirections{Direction::kToServer, Direction::kToClient};

bool is_clean(const LedgerSide& state) {
  const DirectionHealth health = state.health();
  return (state.retransmissions() | health.out_of_order | health.duplicate_acks | health.sack_blocks) == 0 &&
         (health.unseen_bytes | health.zero_window_ns) == 0 && state.syn_copies == 0 && state.duplicates_removed == 0;
}

}  // namespace

/// The ledger of the flow that this packet is of; none for a flow that is no more than its first empty packet.
Ledger* FlowTable::ledger_for(SlabIndex index, const decode::Decoded& packet) {
  Flow& flow = context_.flows[index];
  if (flow.ledger == kNoIndex) {
    const bool first = flow.sides[0].packets + flow.sides[1].packets == 0;
    const bool empty = packet.outcome == decode::Outcome::kTcp && packet.payload_wire_bytes == 0 &&
                       !packet.tcp.has(decode::tcp_flag::kRst);
    if (first && empty) return nullptr;
    open_ledger(flow);
    if (flow.ledger == kNoIndex) return nullptr;
  }
  Ledger& ledger = context_.ledgers[flow.ledger];
  if (ledger.report_place == kNoIndex) {
    if (ledger.first_ns == 0) ledger.first_ns = packet.time_ns;
    if (to_report_closed_ > context_.config.ledgers_max / 2 && 2 * to_report_closed_ > to_report_.size())
      compact_reports();
    ledger.report_place = static_cast<SlabIndex>(to_report_.size());
    to_report_.push_back(index);
    if (next_report_ns_ == UINT64_MAX) {
      const std::uint64_t interval = context_.config.metrics_interval_ns;
      next_report_ns_ = (now_ns_ / interval + 1) * interval;
      next_due_ns_ = std::min(next_due_ns_, next_report_ns_);
    }
  }
  return &ledger;
}

/// Closes a flow that has a ledger and is missed little; none when the first few of each kind have none.
void FlowTable::free_ledger(const Flow& wanting) {
  constexpr int kTried = 16;
  for (const FlowStage stage : {FlowStage::kOpening, FlowStage::kIdleUdp, FlowStage::kQuiet, FlowStage::kIdle}) {
    SlabIndex at = lists_.oldest(stage);
    for (int tried = 0; at != kNoIndex && tried < kTried; ++tried, at = context_.flows[at].younger)
      if (context_.flows[at].ledger != kNoIndex && &context_.flows[at] != &wanting) return evict(at);
  }
}

void FlowTable::evict(SlabIndex index) {
  ++context_.counters.legs_evicted;
  if (context_.flows[index].stage == FlowStage::kOpening) ++context_.counters.legs_evicted_opening;
  remove(index, CloseType::kEvicted);
}

/// Leaves flow.ledger at kNoIndex when there is none to be had.
void FlowTable::open_ledger(Flow& flow) {
  if (flow.refused) return;
  if (context_.ledgers.live() >= context_.config.ledgers_max) free_ledger(flow);
  flow.ledger = context_.ledgers.take();
  if (flow.ledger == kNoIndex) {
    ++context_.counters.ledgers_refused;
    flow.refused = true;
    return;
  }
  Ledger& ledger = context_.ledgers[flow.ledger];
  if (context_.config.metrics_interval_ns == 0) ledger.report_place = Ledger::kNeverReported;
  for (const Direction d : kDirections) {
    ledger.side(d).looks = flow.side(d).ttl;
    ledger.side(d).room = room_of(flow.side(opposite(d)), flow.side(d));
    if (flow.reported) {
      ledger.side(d).reported_packets = flow.side(d).packets;
      ledger.side(d).reported_payload_bytes = flow.side(d).payload_bytes;
      ledger.side(d).reported_acknowledged_bytes = flow.side(d).acknowledged_bytes();
      continue;
    }
    if (flow.side(d).packets == 0) continue;
    DirectionMetrics& metrics = ledger.side(d).metrics;  // what the flow's first packet was
    ledger.first_ns = flow.first_ns;
    metrics.bytes = flow.first_bytes;
    metrics.syn = flow.side(d).isn_known ? 1 : 0;
    metrics.fin = flow.side(d).fin_seen ? 1 : 0;
  }
}

void FlowTable::drop_session(Ledger& ledger) {
  if (ledger.session == nullptr) return;
  ledger.session->~Session();
  context_.memory.deallocate(ledger.session, sizeof(Session), alignof(Session));
  ledger.session = nullptr;
}

void FlowTable::drop_ledger(Flow& flow) {
  if (flow.ledger == kNoIndex) return;
  Ledger& ledger = context_.ledgers[flow.ledger];
  for (const Direction d : kDirections) HalfStream(d, flow, ledger, context_).forget_held();
  drop_session(ledger);
  ++context_.ledger_lives[flow.ledger];
  context_.ledgers.give_back(flow.ledger);
  flow.ledger = kNoIndex;
  flow.calm = false;
}

void FlowTable::advance(std::uint64_t now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  if (now_ns_ >= next_due_ns_) do_due();
}

void FlowTable::do_due() {
  if (now_ns_ >= next_expiry_ns_) expire();
  if (now_ns_ >= next_report_ns_) report_due();
  next_due_ns_ = std::min(next_expiry_ns_, next_report_ns_);
}

/// Settles legs that have been idle for a while and closes those idle for long.
void FlowTable::expire() {
  const FlowTableConfig& config = context_.config;
  next_expiry_ns_ = UINT64_MAX;
  const auto each_due = [&](FlowStage stage, std::uint64_t timeout_ns, auto&& act) {
    for (SlabIndex at = lists_.oldest(stage); at != kNoIndex; at = lists_.oldest(stage)) {
      const std::uint64_t due_ns = context_.flows[at].last_ns + timeout_ns;
      if (due_ns > now_ns_) {
        next_expiry_ns_ = std::min(next_expiry_ns_, due_ns);
        return;
      }
      act(at);
    }
  };
  each_due(FlowStage::kOpening, config.opening_timeout_ns, [this](SlabIndex at) { remove(at, CloseType::kIdle); });
  each_due(FlowStage::kActive, config.settle_ns, [this](SlabIndex at) { settle(at); });
  each_due(FlowStage::kIdleUdp, config.udp_timeout_ns, [this](SlabIndex at) { remove(at, CloseType::kIdle); });
  each_due(FlowStage::kIdle, config.quiet_ns, [this](SlabIndex at) { quieten(at); });
  each_due(FlowStage::kQuiet, config.idle_timeout_ns, [this](SlabIndex at) { remove(at, CloseType::kIdle); });
  // A flow that becomes active meanwhile is due no sooner than this.
  next_expiry_ns_ = std::min(next_expiry_ns_, now_ns_ + config.settle_ns);
}

/// Nothing has come for a while: what is finished is given out.
void FlowTable::settle(SlabIndex index) {
  Flow& flow = context_.flows[index];
  if (flow.ended) return remove(index, CloseType::kIdle);
  if (flow.ledger != kNoIndex && context_.ledgers[flow.ledger].session != nullptr)
    context_.ledgers[flow.ledger].session->settle();
  lists_.move(index, flow.key.protocol() == kUdp ? FlowStage::kIdleUdp : FlowStage::kIdle);
}

/// Nothing has come for long: a ledger that says nothing the flow does not know goes.
void FlowTable::quieten(SlabIndex index) {
  Flow& flow = context_.flows[index];
  lists_.move(index, FlowStage::kQuiet);
  if (flow.ledger == kNoIndex) return;
  Ledger& ledger = context_.ledgers[flow.ledger];
  for (const Direction d : kDirections) {
    const LedgerSide& state = ledger.side(d);
    const bool waits = !state.pieces.empty() || state.hole_since_ns != 0 || state.zero_window_since_ns != 0;
    const bool says = !is_clean(state);
    if (waits || says) return;
  }
  const bool answer_due = ledger.side(Direction::kToServer).spoke_last;
  if (ledger.session != nullptr || ledger.overflown || answer_due) return;
  const bool unreported = !flow.reported || ledger.report_place < Ledger::kNeverReported || ledger.icmp_errors != 0;
  if (context_.config.metrics_interval_ns != 0 && unreported) report(flow, false, CloseType::kOpen);
  drop_ledger(flow);
}

/// Gives out everything of the flow, its leg record last, and lets go of what it holds.
void FlowTable::close(Flow& flow, CloseType reason) {
  Ledger* ledger = flow.ledger == kNoIndex ? nullptr : &context_.ledgers[flow.ledger];
  if (flow.sides[0].packets == 0 || flow.sides[1].packets == 0) flow.flags |= record_flag::kOneDirection;
  if (ledger != nullptr) {
    for (const Direction d : kDirections) {
      LedgerSide& state = ledger->side(d);
      add_time_since(state.zero_window_since_ns, flow.last_ns, state.metrics.zero_window_ns);
      add_time_since(state.limited_since_ns, flow.last_ns, state.metrics.window_limited_ns);
    }
    for (const Direction d : kDirections) {
      if (flow.key.protocol() == kTcp && ledger->session != nullptr)
        HalfStream(d, flow, *ledger, context_).give_up_holes(flow.last_ns, true);
      if (ledger->session != nullptr && flow.side(d).finished()) ledger->session->end_of_stream(d);
    }
    if (ledger->session != nullptr) ledger->session->close();
  }
  if (context_.config.metrics_interval_ns != 0) report(flow, true, reason);
  context_.sink.leg(leg_record(flow, ledger, reason, context_));
  drop_ledger(flow);
  context_.vantages.give_back(flow.vantage);
  if (flow.key.is_wide()) context_.wides.give_back(static_cast<SlabIndex>(flow.key.addresses));
}

/// Closes and forgets a flow.
void FlowTable::remove(SlabIndex index, CloseType reason) {
  unlink(index);
  close(context_.flows[index], reason);
  lists_.remove(index);
  context_.flows.give_back(index);
}

/// Takes the flow out of the index, or out of the chain of its twins.
void FlowTable::unlink(SlabIndex index) {
  const Flow& flow = context_.flows[index];
  const std::uint64_t seed = context_.config.key.seed;
  FlowKey key = flow.key;
  if (key.is_wide()) key.addresses = hash_of(context_.wides[static_cast<SlabIndex>(key.addresses)], seed);
  const auto hash = static_cast<std::uint32_t>(hash_of(key, seed));
  const auto leads_to = [&](SlabIndex head) {
    while (head != kNoIndex && head != index) head = context_.flows[head].twin;
    return head == index;
  };
  const SlabIndex head = index_.find(hash, leads_to);
  if (head != index) {
    SlabIndex before = head;
    while (context_.flows[before].twin != index) before = context_.flows[before].twin;
    context_.flows[before].twin = flow.twin;
  } else if (flow.twin != kNoIndex) {
    index_.replace(hash, index, flow.twin);
  } else {
    index_.erase(hash, index);
  }
}

/// Closes the flow that is missed least.
void FlowTable::make_room() {
  for (const FlowStage stage :
       {FlowStage::kOpening, FlowStage::kIdleUdp, FlowStage::kQuiet, FlowStage::kIdle, FlowStage::kActive})
    if (lists_.oldest(stage) != kNoIndex) return evict(lists_.oldest(stage));
}

void FlowTable::finish() {
  for (const FlowStage stage :
       {FlowStage::kOpening, FlowStage::kQuiet, FlowStage::kIdle, FlowStage::kIdleUdp, FlowStage::kActive})
    while (lists_.oldest(stage) != kNoIndex) remove(lists_.oldest(stage), CloseType::kOpen);
}

/// Packet time has passed the end of an interval: every flow with packets in it is reported.
void FlowTable::report_due() {
  for (std::size_t at = 0; at < to_report_.size(); ++at)
    if (to_report_[at] != kNoIndex) report(context_.flows[to_report_[at]], false, CloseType::kOpen);
  to_report_.clear();
  to_report_closed_ = 0;
  next_report_ns_ = UINT64_MAX;
}

/// Flows come and go while no report falls due: the list of those to report must not grow with them.
void FlowTable::compact_reports() {
  std::erase(to_report_, kNoIndex);
  for (std::size_t place = 0; place < to_report_.size(); ++place)
    context_.ledgers[context_.flows[to_report_[place]].ledger].report_place = static_cast<SlabIndex>(place);
  to_report_closed_ = 0;
}

namespace {

/// Moves what a side has counted since the last report into `out`, and remembers it for health().
void take_side(LedgerSide& state, const FlowSide& side, DirectionMetrics& out) {
  state.reported = state.health();
  state.reported_retransmissions = state.retransmissions();
  out = state.metrics;
  state.metrics = {};
  out.mss = side.mss;
  out.window_scale = side.window_scale == FlowSide::kNoScale ? std::uint8_t{0} : side.window_scale;
  out.packets = side.packets - std::exchange(state.reported_packets, side.packets);
  out.payload_bytes = side.payload_bytes - std::exchange(state.reported_payload_bytes, side.payload_bytes);
  const std::uint64_t acknowledged = side.acknowledged_bytes();
  out.acknowledged_bytes = acknowledged - std::min(acknowledged, state.reported_acknowledged_bytes);
  state.reported_acknowledged_bytes = acknowledged;
}

/// A flow that never had a ledger was one packet, or was refused one.
void take_single(const Flow& flow, Direction d, DirectionMetrics& out) {
  const FlowSide& side = flow.side(d);
  if (side.packets == 0) return;
  out.packets = side.packets;
  out.payload_bytes = side.payload_bytes;
  if (flow.link_of_server == (d == Direction::kToClient)) out.bytes = flow.first_bytes;
  out.syn = side.isn_known ? 1 : 0;
  out.fin = side.fin_seen ? 1 : 0;
  out.mss = side.mss;
}

}  // namespace

void FlowTable::report(Flow& flow, bool closed, CloseType reason) {
  Ledger* ledger = flow.ledger == kNoIndex ? nullptr : &context_.ledgers[flow.ledger];
  FlowMetrics metrics;
  metrics.point = context_.point_base + flow.key.interface_id();
  metrics.transport = flow.key.protocol();
  metrics.client = endpoint_of(flow, flow.client_end, context_);
  metrics.server = endpoint_of(flow, 1u - flow.client_end, context_);
  metrics.first_ns = flow.reported ? flow.last_ns : flow.first_ns;
  metrics.last_ns = flow.last_ns;
  metrics.opened = !flow.reported;
  metrics.closed = closed;
  if (closed) metrics.close = close_reason(flow, ledger, reason);
  if (ledger != nullptr) {
    if (ledger->session != nullptr) metrics.protocol = ledger->session->protocol();
    if (ledger->first_ns != 0) metrics.first_ns = ledger->first_ns;
    for (const Direction d : kDirections)
      take_side(ledger->side(d), flow.side(d), d == Direction::kToServer ? metrics.to_server : metrics.to_client);
    metrics.handshake_server = std::exchange(ledger->handshake_server, {});
    metrics.handshake_client = std::exchange(ledger->handshake_client, {});
    metrics.handshake = std::exchange(ledger->handshake, {});
    metrics.server_response = std::exchange(ledger->server_response, {});
    metrics.application_response = std::exchange(ledger->application_response, {});
    metrics.client_idle = std::exchange(ledger->client_idle, {});
    metrics.reply = std::exchange(ledger->reply, {});
    metrics.icmp_errors = std::exchange(ledger->icmp_errors, 0);
    ledger->first_ns = 0;
    flow.calm = false;  // its next packet puts it on the list again
    if (ledger->report_place < Ledger::kNeverReported) {
      to_report_[std::exchange(ledger->report_place, kNoIndex)] = kNoIndex;
      ++to_report_closed_;
    }
  } else if (!flow.reported) {
    for (const Direction d : kDirections)
      take_single(flow, d, d == Direction::kToServer ? metrics.to_server : metrics.to_client);
  } else if (!closed) {
    return;
  }
  flow.reported = true;
  context_.sink.metrics(metrics);
}

}  // namespace hoptap::flowtable
