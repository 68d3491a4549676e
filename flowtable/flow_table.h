// The flow stage: decoded packets in, leg and hop records out. One table per worker and source.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <compare>
#include <cstdint>
#include <list>
#include <memory>
#include <span>

#include "decode/decoded.h"
#include "flowtable/config.h"
#include "flowtable/duplicate_filter.h"
#include "flowtable/flow.h"
#include "flowtable/sink.h"

namespace hoptap::flowtable {

/// Not thread-safe: one worker owns it. Records go to the sink from within add() and finish().
class FlowTable {
 public:
  /// @param point_base  observation point of interface 0; interface n is point_base + n
  FlowTable(const FlowTableConfig& config, std::uint32_t point_base, RecordSink& sink);
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  /// Takes a batch; packets that are neither TCP nor UDP are passed over.
  void add(std::span<const decode::Decoded> batch);

  /// No more packets: closes every leg.
  void finish();

  const FlowCounters& counters() const { return counters_; }
  std::size_t live_legs() const { return live_; }
  std::size_t held_bytes() const { return context_.held_bytes; }  ///< out-of-order and unparsed, over all legs

 private:
  /// Addresses in a fixed order, so that both directions share it; the tunnels' types, so that the
  /// same connection inside and outside of a tunnel is two legs.
  struct Key {
    base::Endpoint low, high;
    std::uint32_t tunnels = 0;
    std::uint16_t interface_id = 0;
    std::uint8_t protocol = 0;

    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Entry;
  using Entries = std::list<Entry>;
  /// One leg, and how the wire that it was seen on looks (0: that direction not seen yet). A feed that
  /// shows both sides of a router has two entries with one key.
  struct Entry {
    Key key;
    std::unique_ptr<Flow> flow;
    std::array<std::uint64_t, 2> wire{};      ///< by sender: 0 the low endpoint
    std::array<std::uint64_t, 2> mac_pair{};  ///< both MACs, in no order
    std::uint32_t twin = 0;                   ///< the how-manieth of its key
    bool settled = false;                     ///< in idle_, not in recent_
    std::uint64_t touched_ns = 0;             ///< FlowTable::now_ns_ at its last packet
    Entries::iterator position;
    Entry* next_twin = nullptr;
  };
  /// What decides which entry of a key a packet belongs to.
  struct Sighting {
    std::size_t sender = 0;
    std::uint64_t wire = 0;
    std::uint64_t mac_pair = 0;
    DuplicateFilter::Verdict verdict{};
  };

  static Key key_of(const decode::Decoded& packet);
  Sighting sighting_of(const decode::Decoded& packet, const Key& key);
  void add_packet(const decode::Decoded& packet);
  Entry& entry_for(const decode::Decoded& packet, const Key& key, const Sighting& sighting);
  Entry& choose_twin(Entry& head, const decode::Decoded& packet, const Sighting& sighting);
  Entry& create(const decode::Decoded& packet, const Key& key, std::uint32_t twin);
  void touch(Entry& entry);
  void expire();
  void remove(Entries& list, CloseType reason);

  FlowTableConfig config_;
  FlowCounters counters_;
  TableContext context_;
  std::uint32_t point_base_;
  DuplicateFilter duplicates_;
  boost::unordered_flat_map<Key, Entry*, KeyHash> index_;  ///< the first twin of each key
  Entries recent_;                                         ///< touched within settle_ns, the longest idle first
  Entries idle_;                                           ///< the others
  std::size_t live_ = 0;
  std::uint64_t now_ns_ = 0;  ///< latest packet time
};

}  // namespace hoptap::flowtable
