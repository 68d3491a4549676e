#include "flowtable/flow_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "flowtable/flow_update.h"
#include "flowtable/half_stream.h"
#include "flowtable/plain_packet.h"
#include "flowtable/session.h"

namespace hoptap::flowtable {

using decode::Decoded;
using decode::Outcome;
namespace tcp_flag = decode::tcp_flag;

namespace {

constexpr std::uint32_t kLeapBytes = 64u << 20;  // farther than any window in use: another connection

/// Without a handshake the server is the side with the port that services use.
bool looks_like_server(std::uint16_t port, std::uint16_t other_port) {
  constexpr std::uint16_t kSystemPorts = 1024;    // RFC 6335 section 6
  constexpr std::uint16_t kDynamicPorts = 32768;  // where Linux and most others take client ports from
  if ((port < kSystemPorts) != (other_port < kSystemPorts)) return port < kSystemPorts;
  if ((port < kDynamicPorts) != (other_port < kDynamicPorts)) return port < kDynamicPorts;
  return false;
}

/// Is the sender of this first packet the server?
bool sent_by_server(const Decoded& packet) {
  if (packet.outcome == Outcome::kTcp && packet.tcp.has(tcp_flag::kSyn)) return packet.tcp.has(tcp_flag::kAck);
  return looks_like_server(packet.source.port, packet.target.port);
}

std::uint64_t hash_of_endpoint(const base::Endpoint& endpoint) {
  return base::hash_bytes(endpoint.address.bytes, endpoint.port);
}

std::uint64_t leg_id_of(const Decoded& first, bool from_server, std::uint8_t twin_number) {
  const bool tcp = first.outcome == Outcome::kTcp;
  return base::hash_values(hash_of_endpoint(from_server ? first.target : first.source),
                           hash_of_endpoint(from_server ? first.source : first.target), first.protocol, twin_number,
                           tcp ? first.tcp.sequence : 0, tcp ? 0 : first.time_ns);
}

/// Both MACs, in no order.
std::uint64_t mac_pair(const base::Link& link) {
  return base::hash_values(base::load_be(link.source.bytes)) + base::hash_values(base::load_be(link.target.bytes));
}

bool is_icmp_error(const Decoded& packet) { return packet.outcome == Outcome::kIcmp && packet.icmp.quoted.valid; }

void prefetch_lines(const void* from, std::size_t bytes) {
  constexpr std::size_t kLineBytes = 64;
  for (std::size_t at = 0; at < bytes; at += kLineBytes) __builtin_prefetch(static_cast<const std::byte*>(from) + at);
}

}  // namespace

std::size_t memory_max(const FlowTableConfig& config) {
  constexpr std::size_t kIndexBytes = 22, kLifeBytes = 4;  // of a flow; of a ledger
  constexpr std::size_t kSpareTextBytes = 3 * kSmallTextBytes;
  return config.flows_max * (sizeof(Flow) + sizeof(FlowKey::Wide) + kIndexBytes) +
         config.ledgers_max * (sizeof(Ledger) + kLifeBytes + sizeof(Session)) +
         config.exchanges_max * (sizeof(Exchange) + kSpareTextBytes) + config.text_bytes_max +
         2 * config.held_bytes_max;  // pools keep what they have had
}

FlowTable::FlowTable(const FlowTableConfig& config, std::uint32_t point_base, RecordSink& sink)
    : context_(config, point_base, sink), index_(config.flows_max), lists_(context_.flows) {}

FlowTable::~FlowTable() {
  for (std::size_t stage = 0; stage < kFlowStages; ++stage)
    for (SlabIndex at = lists_.oldest(static_cast<FlowStage>(stage)); at != kNoIndex; at = context_.flows[at].younger)
      drop_ledger(context_.flows[at]);
}

void FlowTable::add(std::span<const Decoded> batch) {
  while (!batch.empty() && live_legs() > kFlowsInCache) {
    const std::span<const Decoded> some = batch.first(std::min(batch.size(), kAhead));
    batch = batch.subspan(some.size());
    add_fetching(some);
  }
  if (remembers_ways_) [[likely]]
    return add_cached(batch);
  for (const Decoded& packet : batch) add_any(packet);
}

/// Few flows: their memory is in the cache.
[[gnu::noinline]] HOPTAP_WIDE void FlowTable::add_cached(std::span<const Decoded> packets) {
  const Decoded* const end = packets.data() + packets.size();
  for (const Decoded* packet = packets.data(); packet != end; ++packet) {
    asm("" : "+r"(packet));  // one pointer, not two that are added to
    if (!add_recent(*packet)) [[unlikely]]
      add_any(*packet);
  }
}

/// A plain packet of a flow that is busy: without a look at its key. @return is it one?
[[gnu::always_inline]] HOPTAP_WIDE inline bool FlowTable::add_recent(const Decoded& packet) {
  const std::uint64_t time_ns = packet.time_ns;
  if (time_ns >= next_due_ns_) [[unlikely]]
    return false;
  const RecentFlows::Way* const found = recent_.find(packet);
  if (found == nullptr) [[unlikely]]
    return false;
  const RecentFlows::Way& way = *found;
  const PlainPlaces& places = way.places;
  if (!places.flow->calm || context_.ledger_lives[way.ledger] != way.ledger_life) [[unlikely]]
    return false;
  if (!goes_on(packet, *places.own) || time_ns == 0) [[unlikely]]
    return false;
  ++context_.counters.tcp_packets;
  if (time_ns > now_ns_) [[likely]]
    now_ns_ = time_ns;
  const DuplicateFilter::Verdict verdict =
      check_duplicate<Outcome::kTcp, true>(packet, way.hash, places.own->wire, time_ns);
  if (verdict == DuplicateFilter::Verdict::kNew) [[likely]] {
    add_calm(packet, places, time_ns);
  } else {
    add_unusual(context_.flows.index_of(*places.flow), packet, verdict);
  }
  return true;
}

/// Any other; a plain one makes way for those that follow it.
[[gnu::noinline]] void FlowTable::add_any(const Decoded& packet) {
  PacketKey key;
  if (prepare(packet, key)) [[likely]] {
    Flow* const flow = add_packet(packet, key);
    if (flow != nullptr && remembers_ways_ && flow->calm && packet.tunnels.depth == 0)
      recent_.put(packet, key, *flow, context_);
  } else if (is_icmp_error(packet)) {
    note_icmp_error(packet);
  }
}

/// Needs a plain packet; see plain_packet.h.
[[gnu::always_inline]] inline void FlowTable::add_calm(const Decoded& packet, const PlainPlaces& places,
                                                       std::uint64_t time_ns) {
  Flow& flow = *places.flow;
  if (time_ns > flow.last_ns) [[likely]] {
    if (FlowLists::is_due(flow.last_ns, time_ns)) [[unlikely]]
      lists_.move(context_.flows.index_of(flow), FlowStage::kActive);
    flow.last_ns = time_ns;
  }
  add_plain(packet, places, time_ns, context_);
}

/// Works out the keys first, so that the memory of flows is fetched while others are worked on.
void FlowTable::add_fetching(std::span<const Decoded> packets) {
  std::array<PacketKey, kAhead> keys;
  std::array<const Decoded*, kAhead> kept;
  std::array<std::pair<std::size_t, const Decoded*>, kAhead> errors;  // and how many packets came before
  std::size_t count = 0, error_count = 0;
  for (const Decoded& packet : packets) {
    if (!prepare(packet, keys[count])) {
      if (is_icmp_error(packet)) errors[error_count++] = {count, &packet};
      continue;
    }
    index_.prefetch(static_cast<std::uint32_t>(keys[count].hash));
    kept[count++] = &packet;
  }
  const auto fetched = std::span(keys).first(count);
  fetch_flows(fetched);
  for (std::size_t at = 0, error = 0; at <= count; ++at) {
    for (; error < error_count && errors[error].first == at; ++error) note_icmp_error(*errors[error].second);
    if (at < count) add_packet(*kept[at], keys[at]);
  }
}

/// Asks for the memory of the flows, then of their ledgers, then of their sessions: each knows where the next lies.
void FlowTable::fetch_flows(std::span<const PacketKey> keys) {
  std::array<SlabIndex, kAhead> flows;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    flows[at] = index_.likely(static_cast<std::uint32_t>(keys[at].hash));
    if (flows[at] != kNoIndex) context_.flows.prefetch(flows[at]);
  }
  std::array<const Ledger*, kAhead> ledgers;
  std::size_t count = 0;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    if (flows[at] == kNoIndex || context_.flows[flows[at]].ledger == kNoIndex) continue;
    const Ledger& ledger = context_.ledgers[context_.flows[flows[at]].ledger];
    prefetch_lines(&ledger.sides[0], sizeof(LedgerSide));
    prefetch_lines(&ledger.sides[1], sizeof(LedgerSide));
    __builtin_prefetch(&ledger.session);
    ledgers[count++] = &ledger;
  }
  for (std::size_t at = 0; at < count; ++at)
    if (ledgers[at]->session != nullptr) prefetch_lines(ledgers[at]->session, sizeof(Session));
}

/// The packet's key. @return does it belong to a flow?
[[gnu::always_inline]] inline bool FlowTable::prepare(const Decoded& packet, PacketKey& key) {
  if (packet.outcome == Outcome::kTcp) [[likely]] {
    ++context_.counters.tcp_packets;
  } else if (packet.outcome == Outcome::kUdp) {
    ++context_.counters.udp_packets;
  } else {
    return false;
  }
  fill_key(packet, context_.config.key, key);
  return true;
}

/// An ICMP error counts for the flow whose packet it quotes (RFC 792, RFC 4443 section 3); the quote has the addresses
/// as they were where the error arose.
void FlowTable::note_icmp_error(const Decoded& packet) {
  const decode::Quoted& quoted = packet.icmp.quoted;
  Decoded about;
  about.source = quoted.source;
  about.target = quoted.target;
  about.protocol = quoted.protocol;
  about.interface_id = packet.interface_id;
  about.link = packet.link;
  about.tunnels = packet.tunnels;
  PacketKey key;
  fill_key(about, context_.config.key, key);
  const SlabIndex index = find(about, key);
  if (index == kNoIndex) {
    ++context_.counters.icmp_errors_unmatched;
    return;
  }
  ++context_.counters.icmp_errors;
  Flow& flow = context_.flows[index];
  if (flow.ledger == kNoIndex) open_ledger(flow);
  if (flow.ledger != kNoIndex) ++context_.ledgers[flow.ledger].icmp_errors;
}

/// Has the feed shown this packet before? kOutcome and kSackless as in signature_of().
template <Outcome kOutcome, bool kSackless>
[[gnu::always_inline]] inline DuplicateFilter::Verdict FlowTable::check_duplicate(const Decoded& packet,
                                                                                  std::uint32_t way_hash,
                                                                                  std::uint32_t wire,
                                                                                  std::uint64_t time_ns) {
  const FlowTableConfig& config = context_.config;
  const std::uint64_t signature = signature_of<kOutcome, kSackless>(packet, way_hash);
  if (is_certain<kOutcome>(packet)) [[likely]]
    return duplicates_.check(signature, wire, time_ns, config.duplicate_ns);
  if (!is_tellable<kOutcome>(packet)) return DuplicateFilter::Verdict::kNew;
  return duplicates_.check(signature, wire, time_ns, config.duplicate_uncertain_ns);
}

/// The first flow with the packet's key.
inline SlabIndex FlowTable::find(const Decoded& packet, const PacketKey& wanted) const {
  return index_.find(static_cast<std::uint32_t>(wanted.hash), [&](SlabIndex index) {
    const FlowKey& key = context_.flows[index].key;
    if (!key.is_like(wanted.key)) return false;
    if (!key.is_wide()) [[likely]]
      return key.addresses == wanted.key.addresses;
    return context_.wides[static_cast<SlabIndex>(key.addresses)] == wide_of(packet, wanted.sender);
  });
}

/// @return the flow, when the packet was a plain one of it; else null
Flow* FlowTable::add_packet(const Decoded& packet, const PacketKey& key) {
  now_ns_ = std::max(now_ns_, packet.time_ns);
  if (now_ns_ >= next_due_ns_) [[unlikely]]
    do_due();
  const SlabIndex index = find(packet, key);
  if (index != kNoIndex && context_.flows[index].calm && packet.time_ns != 0) [[likely]] {
    Flow& flow = context_.flows[index];
    const Direction direction = flow.direction_of(key.sender);
    const PlainPlaces places(direction, flow, context_.ledgers[flow.ledger]);
    if (is_plain(packet, *places.own, *places.sent)) [[likely]] {
      const DuplicateFilter::Verdict verdict =
          check_duplicate<Outcome::kTcp, true>(packet, key.way_hash(), places.own->wire, packet.time_ns);
      if (verdict == DuplicateFilter::Verdict::kNew) [[likely]] {
        add_calm(packet, places, packet.time_ns);
        return &flow;
      }
      add_unusual(index, packet, verdict);
      return nullptr;
    }
  }
  const std::uint32_t wire = wire_of(packet);
  add_unusual(index, packet,
              packet.outcome == Outcome::kTcp
                  ? check_duplicate<Outcome::kTcp, false>(packet, key.way_hash(), wire, packet.time_ns)
                  : check_duplicate<Outcome::kUdp, false>(packet, key.way_hash(), wire, packet.time_ns));
  return nullptr;
}

/// Whatever the packet is.
void FlowTable::add_unusual(SlabIndex index, const Decoded& packet, DuplicateFilter::Verdict verdict) {
  if (packet.time_ns == 0) {  // means "not seen" in records
    Decoded shifted = packet;
    shifted.time_ns = 1;
    return add_unusual(index, shifted, verdict);
  }
  PacketKey key;
  fill_key(packet, context_.config.key, key);
  const bool is_duplicate = verdict == DuplicateFilter::Verdict::kDuplicate;
  const std::uint32_t wire = wire_of(packet);
  if (index == kNoIndex) {
    if (is_duplicate) return count_duplicate(nullptr, key);  // of a leg closed since
    if (context_.strain == Strain::kNoNewFlows) {
      ++context_.counters.strained_packets;
      return;
    }
    index = create(packet, key, 0);
  } else {
    index = choose_twin(index, packet, key, wire, verdict);
    if (is_duplicate) return count_duplicate(&context_.flows[index], key);
  }
  Flow& flow = context_.flows[index];
  if (packet.outcome == Outcome::kTcp) find_connection(index, packet, key);
  const Direction direction = flow.direction_of(key.sender);
  FlowSide& own = flow.side(direction);
  if (own.wire != wire && remembers_ways_) recent_.forget_others(packet);
  own.wire = wire;
  Ledger* ledger = ledger_for(index, packet);
  const std::uint64_t last_ns = flow.last_ns;
  FlowUpdate update(packet, direction, flow, ledger, context_);
  update.add_any();
  const FlowStage stage = flow.stage == FlowStage::kOpening ? stage_after(flow, packet) : FlowStage::kActive;
  if (stage != flow.stage || FlowLists::is_due(last_ns, flow.last_ns)) lists_.move(index, stage);
  flow.calm = update.leaves_calm();
}

/// Is this packet of the connection that the flow is, and which way does that go?
void FlowTable::find_connection(SlabIndex index, const Decoded& packet, const PacketKey& key) {
  Flow& flow = context_.flows[index];
  if (is_reused_by(flow, packet, flow.direction_of(key.sender))) {
    close(flow, CloseType::kReused);
    begin(index, packet, key, flow.twin_number);
    lists_.move(index, FlowStage::kOpening);
    expect_expiry(now_ns_ + context_.config.opening_timeout_ns);
  }
  if (!flow.direction_known && !packet.payload.empty()) find_direction(flow, packet, key.sender);
}

void FlowTable::count_duplicate(Flow* flow, const PacketKey& key) {
  ++context_.counters.duplicates;
  if (flow == nullptr) return;
  // A flood that is shown twice must not take what busy flows need.
  const bool plenty = context_.ledgers.live() < context_.config.ledgers_max / 2;
  if (flow->ledger == kNoIndex && plenty) open_ledger(*flow);
  if (flow->ledger == kNoIndex) return;
  LedgerSide& state = context_.ledgers[flow->ledger].side(flow->direction_of(key.sender));
  ++state.duplicates_removed;
  ++state.metrics.duplicates_removed;
}

/// Would this packet begin another connection on the same ports?
bool FlowTable::is_reused_by(const Flow& flow, const Decoded& packet, Direction direction) const {
  const FlowSide& side = flow.side(direction);
  const decode::Tcp& tcp = packet.tcp;
  if (tcp.has(tcp_flag::kSyn)) {
    const std::uint64_t payload = flow.sides[0].payload_bytes + flow.sides[1].payload_bytes;
    if (!side.started) return !tcp.has(tcp_flag::kAck) && (direction == Direction::kToClient || payload > 0);
    if (direction == Direction::kToClient && !tcp.has(tcp_flag::kAck)) return true;  // the roles have changed
    if (side.isn_known) return tcp.sequence != side.isn();
    return payload > 0 && tcp.sequence + 1 != side.next;
  }
  if (!side.started || packet.payload_wire_bytes == 0) return false;
  const std::int32_t leap = sequence_distance(tcp.sequence, side.next);
  return leap > static_cast<std::int32_t>(kLeapBytes) || leap < -static_cast<std::int32_t>(kLeapBytes);
}

/// The guess by ports is settled by the first bytes, if a protocol knows them.
void FlowTable::find_direction(Flow& flow, const Decoded& packet, std::uint32_t sender) {
  flow.direction_known = true;
  const auto spoken = Session::spoken_direction(packet.payload, packet.source.port, packet.target.port);
  if (spoken && *spoken != flow.direction_of(sender)) turn_around(flow);
}

/// What was taken for the client is the server. Only before any data.
void FlowTable::turn_around(Flow& flow) {
  flow.client_end ^= 1;
  flow.link_of_server = !flow.link_of_server;
  std::swap(flow.sides[0], flow.sides[1]);
  for (FlowSide& side : flow.sides) side.started = side.fin_seen = side.ack_seen = false;
  constexpr auto kOfClient = closing::kClientFin | closing::kClientReset;
  constexpr auto kOfServer = closing::kServerFin | closing::kServerReset;
  flow.closing = static_cast<std::uint8_t>((flow.closing & kOfClient) << 1 | (flow.closing & kOfServer) >> 1);
  if (flow.ledger == kNoIndex) return;
  ++context_.ledger_lives[flow.ledger];
  Ledger& ledger = context_.ledgers[flow.ledger];
  for (const Direction d : {Direction::kToServer, Direction::kToClient})
    HalfStream(d, flow, ledger, context_).forget_held();
  drop_session(ledger);
  std::swap(ledger.sides[0], ledger.sides[1]);
  std::swap(ledger.resets[0], ledger.resets[1]);
}

/// The leg of a connection whose packets one feed shows on several wires: the wire tells which one the packet is of.
SlabIndex FlowTable::choose_twin(SlabIndex head, const Decoded& packet, const PacketKey& key, std::uint32_t wire,
                                 DuplicateFilter::Verdict verdict) {
  if (context_.flows[head].twin == kNoIndex && verdict != DuplicateFilter::Verdict::kElsewhere) return head;
  SlabIndex last = head,
            unseen = kNoIndex;  // unseen: knows nothing of this direction yet; the one whose MACs fit, else
  bool fits = false;            // the last: copies come nearest-to-the-sender first, so directions pair in reverse
  for (SlabIndex at = head; at != kNoIndex; at = context_.flows[at].twin) {
    const Flow& flow = context_.flows[at];
    const FlowSide& side = flow.side(flow.direction_of(key.sender));
    last = at;
    if (side.wire == wire) return at;
    if (side.wire != 0 || fits) continue;
    unseen = at;
    fits = mac_pair(context_.vantages[flow.vantage].link) == mac_pair(packet.link);
  }
  if (unseen != kNoIndex) return unseen;
  const std::uint8_t number = context_.flows[last].twin_number;
  const bool full = number + 1u >= DuplicateFilter::kWiresMax || live_legs() >= context_.config.flows_max;
  if (verdict != DuplicateFilter::Verdict::kElsewhere || full) return head;
  ++context_.counters.virtual_points;
  const SlabIndex twin = create(packet, key, static_cast<std::uint8_t>(number + 1));
  context_.flows[last].twin = twin;
  context_.flows[head].calm = false;
  return twin;
}

/// A new flow; makes room for it when there is none.
SlabIndex FlowTable::create(const Decoded& packet, const PacketKey& key, std::uint8_t twin_number) {
  if (live_legs() >= context_.config.flows_max) make_room();
  const SlabIndex index = context_.flows.take();
  begin(index, packet, key, twin_number);
  if (twin_number == 0) index_.insert(static_cast<std::uint32_t>(key.hash), index);
  lists_.append(index, FlowStage::kOpening);
  expect_expiry(now_ns_ + context_.config.opening_timeout_ns);
  return index;
}

/// A flow begins in a place that is fresh or that the flow before has left, whose links it keeps.
void FlowTable::begin(SlabIndex index, const Decoded& packet, const PacketKey& key, std::uint8_t twin_number) {
  Flow& flow = context_.flows[index];
  Flow fresh;
  fresh.key = key.key;
  fresh.opaque = !context_.config.l7 || context_.strain >= Strain::kNoNewMessages;
  if (key.key.is_wide()) {
    fresh.key.addresses = context_.wides.take();
    context_.wides[static_cast<SlabIndex>(fresh.key.addresses)] = wide_of(packet, key.sender);
  }
  fresh.older = flow.older;
  fresh.younger = flow.younger;
  fresh.stage = flow.stage;
  fresh.twin = flow.twin;
  fresh.twin_number = twin_number;
  const bool from_server = sent_by_server(packet);
  fresh.client_end = from_server != (key.sender != 0) ? 1 : 0;
  fresh.link_of_server = from_server;
  fresh.first_ns = fresh.last_ns = packet.time_ns;
  fresh.leg_id = leg_id_of(packet, from_server, twin_number);
  fresh.vantage = context_.vantages.take(packet.link, packet.tunnels);
  fresh.first_bytes = static_cast<std::uint16_t>(std::min<std::uint32_t>(packet.ip_bytes, UINT16_MAX));
  if (packet.outcome == Outcome::kTcp) {
    fresh.direction_known = packet.tcp.has(tcp_flag::kSyn);
    if (!fresh.direction_known || from_server) fresh.flags = record_flag::kMidStream;
  }
  flow = fresh;
  ++context_.counters.legs;
}

FlowStage FlowTable::stage_after(const Flow& flow, const Decoded& packet) {
  if (flow.ended) return FlowStage::kActive;
  const std::uint32_t to_server = flow.sides[0].packets, to_client = flow.sides[1].packets;
  if (packet.outcome == Outcome::kUdp) {
    constexpr std::uint32_t kConversation = 4;
    return (to_server > 0 && to_client > 0) || to_server + to_client >= kConversation ? FlowStage::kActive
                                                                                      : FlowStage::kOpening;
  }
  if (to_server + to_client < 2) return FlowStage::kOpening;
  const bool established = packet.payload_wire_bytes > 0 ||
                           (packet.tcp.flags & (tcp_flag::kAck | tcp_flag::kSyn | tcp_flag::kRst)) == tcp_flag::kAck;
  return established ? FlowStage::kActive : FlowStage::kOpening;
}

}  // namespace hoptap::flowtable
