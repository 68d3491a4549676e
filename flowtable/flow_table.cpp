#include "flowtable/flow_table.h"

#include <algorithm>
#include <array>

#include "base/hash.h"

namespace hoptap::flowtable {

using decode::Decoded;
using decode::Outcome;

namespace {

std::uint64_t hash_of(const base::MacAddress& mac) { return base::load_be(mac.bytes); }

/// What routers, switches and tunnel ends change of a packet. Never 0.
std::uint64_t wire_hash(const Decoded& packet) {
  std::uint64_t hash = base::hash_values(packet.ttl, hash_of(packet.link.source), hash_of(packet.link.target),
                                         packet.link.vlans[0], packet.link.vlans[1], packet.link.interface_index);
  for (const decode::Tunnel& tunnel : packet.tunnels.used()) hash = base::hash_values(hash, tunnel.id);
  return hash | 1;
}

/// What stays the same along the path.
std::uint64_t signature_of(const Decoded& packet, std::uint64_t key_hash, std::size_t sender) {
  constexpr std::size_t kPayloadBytes = 64;
  const decode::Tcp& tcp = packet.tcp;
  const std::uint64_t payload =
      base::hash_bytes(packet.payload.first(std::min(packet.payload.size(), kPayloadBytes)), packet.payload_wire_bytes);
  return base::hash_values(key_hash, sender, packet.ip_id, payload, tcp.sequence, tcp.acknowledgment,
                           static_cast<std::uint64_t>(tcp.flags) << 16 | tcp.window, base::hash_bytes(tcp.options));
}

}  // namespace

std::size_t FlowTable::KeyHash::operator()(const Key& key) const {
  std::array<std::uint8_t, 48> packed{};
  std::uint8_t* at = packed.data();
  for (const base::Endpoint* endpoint : {&key.low, &key.high}) {
    at = std::copy(endpoint->address.bytes.begin(), endpoint->address.bytes.end(), at);
    *at++ = static_cast<std::uint8_t>(endpoint->port >> 8);
    *at++ = static_cast<std::uint8_t>(endpoint->port);
  }
  return base::hash_bytes(packed, base::hash_values(key.tunnels, key.interface_id, key.protocol));
}

FlowTable::FlowTable(const FlowTableConfig& config, std::uint32_t point_base, RecordSink& sink)
    : config_(config), context_{config_, counters_, sink}, point_base_(point_base) {}

FlowTable::~FlowTable() = default;

FlowTable::Key FlowTable::key_of(const Decoded& packet) {
  Key key{packet.source, packet.target, 1, packet.interface_id, packet.protocol};
  if (key.high < key.low) std::swap(key.low, key.high);
  for (const decode::Tunnel& tunnel : packet.tunnels.used())
    key.tunnels = key.tunnels << 4 | (static_cast<std::uint32_t>(tunnel.type) + 1);
  return key;
}

FlowTable::Sighting FlowTable::sighting_of(const Decoded& packet, const Key& key) {
  Sighting sighting;
  sighting.sender = packet.source == key.low ? 0 : 1;
  sighting.wire = wire_hash(packet);
  sighting.mac_pair = base::hash_values(hash_of(packet.link.source)) + base::hash_values(hash_of(packet.link.target));
  const bool tcp = packet.outcome == Outcome::kTcp;
  const bool certain = packet.ip_id != 0 || (tcp && packet.tcp.has_timestamps);
  if (!certain && packet.payload_wire_bytes == 0 && !(tcp && packet.tcp.has(decode::tcp_flag::kSyn))) {
    sighting.verdict = DuplicateFilter::Verdict::kNew;  // bare ACKs look alike: nothing to tell them apart by
    return sighting;
  }
  sighting.verdict = duplicates_.check(signature_of(packet, KeyHash{}(key), sighting.sender), sighting.wire,
                                       packet.time_ns, certain ? config_.duplicate_ns : config_.duplicate_uncertain_ns);
  return sighting;
}

void FlowTable::add(std::span<const Decoded> batch) {
  for (const Decoded& packet : batch) {
    if (packet.outcome != Outcome::kTcp && packet.outcome != Outcome::kUdp) continue;
    if (packet.time_ns != 0) {
      add_packet(packet);
    } else {  // time 0 means "not seen" in records
      Decoded shifted = packet;
      shifted.time_ns = 1;
      add_packet(shifted);
    }
  }
}

void FlowTable::add_packet(const Decoded& packet) {
  ++(packet.outcome == Outcome::kTcp ? counters_.tcp_packets : counters_.udp_packets);
  now_ns_ = std::max(now_ns_, packet.time_ns);
  expire();
  const Key key = key_of(packet);
  const Sighting sighting = sighting_of(packet, key);
  const bool duplicate = sighting.verdict == DuplicateFilter::Verdict::kDuplicate;
  counters_.duplicates += duplicate ? 1 : 0;
  if (duplicate && !index_.contains(key)) return;  // of a leg that has been closed since
  Entry& entry = entry_for(packet, key, sighting);
  if (duplicate) {
    entry.flow->count_duplicate(packet);
    return;
  }
  entry.wire[sighting.sender] = sighting.wire;
  entry.mac_pair[sighting.sender] = sighting.mac_pair;
  if (entry.flow->is_reused_by(packet)) {
    entry.flow->close(CloseType::kReused);
    entry.flow = std::make_unique<Flow>(packet, point_base_ + packet.interface_id, entry.twin, context_);
    ++counters_.legs;
  }
  entry.flow->add(packet);
  touch(entry);
}

FlowTable::Entry& FlowTable::entry_for(const Decoded& packet, const Key& key, const Sighting& sighting) {
  const auto found = index_.find(key);
  if (found == index_.end()) return create(packet, key, 0);
  Entry& head = *found->second;
  if (head.next_twin == nullptr && sighting.verdict != DuplicateFilter::Verdict::kElsewhere) return head;
  return choose_twin(head, packet, sighting);
}

/// Several legs of one connection in one feed: the wire tells which one the packet is of.
FlowTable::Entry& FlowTable::choose_twin(Entry& head, const Decoded& packet, const Sighting& sighting) {
  Entry* last = &head;
  Entry* unseen = nullptr;  // knows nothing of this direction yet; the one whose MACs fit, else the last:
  bool fits = false;        // copies come nearest-to-the-sender first, so directions pair in reverse
  for (Entry* entry = &head; entry != nullptr; entry = entry->next_twin) {
    last = entry;
    if (entry->wire[sighting.sender] == sighting.wire) return *entry;
    if (entry->wire[sighting.sender] != 0 || fits) continue;
    unseen = entry;
    fits = entry->mac_pair[1 - sighting.sender] == sighting.mac_pair;
  }
  if (unseen != nullptr) return *unseen;
  const bool full = last->twin + 1 >= DuplicateFilter::kWiresMax || live_ >= config_.flows_max;
  if (sighting.verdict != DuplicateFilter::Verdict::kElsewhere || full) return head;
  ++counters_.virtual_points;
  Entry& twin = create(packet, head.key, last->twin + 1);
  last->next_twin = &twin;
  return twin;
}

FlowTable::Entry& FlowTable::create(const Decoded& packet, const Key& key, std::uint32_t twin) {
  if (live_ >= config_.flows_max) {
    ++counters_.legs_evicted;
    remove(idle_.empty() ? recent_ : idle_, CloseType::kEvicted);
  }
  ++counters_.legs;
  ++live_;
  Entry& entry = recent_.emplace_back();
  entry.position = std::prev(recent_.end());
  entry.touched_ns = now_ns_;
  entry.key = key;
  entry.twin = twin;
  entry.flow = std::make_unique<Flow>(packet, point_base_ + packet.interface_id, twin, context_);
  if (twin == 0) index_[key] = &entry;
  return entry;
}

/// Moves the entry to the young end of recent_.
void FlowTable::touch(Entry& entry) {
  Entries& from = entry.settled ? idle_ : recent_;
  entry.settled = false;
  entry.touched_ns = now_ns_;
  recent_.splice(recent_.end(), from, entry.position);
}

/// Settles legs that have been idle for a while and closes those idle for long.
void FlowTable::expire() {
  while (!recent_.empty() && recent_.front().touched_ns + config_.settle_ns <= now_ns_) {
    Entry& entry = recent_.front();
    if (entry.flow->ended()) {
      remove(recent_, CloseType::kIdle);
      continue;
    }
    entry.flow->settle();
    entry.settled = true;
    idle_.splice(idle_.end(), recent_, recent_.begin());
  }
  while (!idle_.empty() && idle_.front().touched_ns + config_.idle_timeout_ns <= now_ns_)
    remove(idle_, CloseType::kIdle);
}

/// Closes and forgets the oldest entry of a list.
void FlowTable::remove(Entries& list, CloseType reason) {
  Entry& entry = list.front();
  entry.flow->close(reason);
  const auto head = index_.find(entry.key);
  if (head->second != &entry) {
    Entry* before = head->second;
    while (before->next_twin != &entry) before = before->next_twin;
    before->next_twin = entry.next_twin;
  } else if (entry.next_twin != nullptr) {
    head->second = entry.next_twin;
  } else {
    index_.erase(head);
  }
  list.pop_front();
  --live_;
}

void FlowTable::finish() {
  while (!idle_.empty()) remove(idle_, CloseType::kOpen);
  while (!recent_.empty()) remove(recent_, CloseType::kOpen);
}

}  // namespace hoptap::flowtable
