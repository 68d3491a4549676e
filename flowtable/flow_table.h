// The flow stage: decoded packets in, leg and hop records and metrics out. One table per worker and source.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "decode/decoded.h"
#include "flowtable/config.h"
#include "flowtable/duplicate_filter.h"
#include "flowtable/flow_counters.h"
#include "flowtable/flow_index.h"
#include "flowtable/flow_lists.h"
#include "flowtable/recent_flows.h"
#include "flowtable/sighting.h"
#include "flowtable/sink.h"
#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// The most that a table with these limits takes, about: all flows that it may have, each with all that it may.
std::size_t memory_max(const FlowTableConfig& config);

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

  /// No packet may have come, but it is `now_ns`, in packet time: does what is due by then. For live capture.
  void advance(std::uint64_t now_ns);

  /// No more packets: closes every leg.
  void finish();

  /// From now on.
  void set_strain(Strain strain) { context_.strain = strain; }

  const FlowCounters& counters() const { return context_.counters; }
  std::size_t live_legs() const { return context_.flows.live(); }
  std::size_t held_bytes() const { return context_.held_bytes; }  ///< out-of-order and unparsed, over all legs

 private:
  static constexpr std::size_t kAhead =
      16;  ///< packets that are looked up together, so that their memory is there in time

  static constexpr std::size_t kFlowsInCache = 4096;  ///< so few need no fetching ahead

  bool prepare(const decode::Decoded& packet, PacketKey& key);
  void add_fetching(std::span<const decode::Decoded> packets);
  void fetch_flows(std::span<const PacketKey> keys);
  void add_cached(std::span<const decode::Decoded> packets);
  bool add_recent(const decode::Decoded& packet);
  void add_any(const decode::Decoded& packet);
  Flow* add_packet(const decode::Decoded& packet, const PacketKey& key);
  void add_calm(const decode::Decoded& packet, const PlainPlaces& places, std::uint64_t time_ns);
  void add_unusual(SlabIndex index, const decode::Decoded& packet, DuplicateFilter::Verdict verdict);
  template <decode::Outcome kOutcome, bool kSackless>
  DuplicateFilter::Verdict check_duplicate(const decode::Decoded& packet, std::uint32_t way_hash, std::uint32_t wire,
                                           std::uint64_t time_ns);
  void note_icmp_error(const decode::Decoded& packet);
  void count_duplicate(Flow* flow, const PacketKey& key);
  SlabIndex find(const decode::Decoded& packet, const PacketKey& key) const;
  void find_connection(SlabIndex index, const decode::Decoded& packet, const PacketKey& key);
  SlabIndex choose_twin(SlabIndex head, const decode::Decoded& packet, const PacketKey& key, std::uint32_t wire,
                        DuplicateFilter::Verdict verdict);
  SlabIndex create(const decode::Decoded& packet, const PacketKey& key, std::uint8_t twin_number);
  void begin(SlabIndex index, const decode::Decoded& packet, const PacketKey& key, std::uint8_t twin_number);
  bool is_reused_by(const Flow& flow, const decode::Decoded& packet, Direction direction) const;
  void find_direction(Flow& flow, const decode::Decoded& packet, std::uint32_t sender);
  void turn_around(Flow& flow);
  Ledger* ledger_for(SlabIndex index, const decode::Decoded& packet);
  void open_ledger(Flow& flow);
  void drop_ledger(Flow& flow);
  void drop_session(Ledger& ledger);
  static FlowStage stage_after(const Flow& flow, const decode::Decoded& packet);

  void do_due();
  void expect_expiry(std::uint64_t at_ns) {
    next_expiry_ns_ = std::min(next_expiry_ns_, at_ns);
    next_due_ns_ = std::min(next_due_ns_, next_expiry_ns_);
  }
  void expire();
  void settle(SlabIndex index);
  void quieten(SlabIndex index);
  void close(Flow& flow, CloseType reason);
  void remove(SlabIndex index, CloseType reason);
  void make_room();
  void free_ledger(const Flow& wanting);
  void evict(SlabIndex index);
  void unlink(SlabIndex index);

  void report_due();
  void compact_reports();
  void report(Flow& flow, bool closed, CloseType reason);

  TableContext context_;
  FlowIndex index_;
  FlowLists lists_;
  RecentFlows recent_;
  const bool remembers_ways_ = RecentFlows::is_supported();
  DuplicateFilter duplicates_;
  std::vector<SlabIndex> to_report_;  ///< flows with packets since their last report; kNoIndex: closed since
  std::size_t to_report_closed_ = 0;  ///< of these
  std::uint64_t now_ns_ = 0;          ///< latest packet time
  std::uint64_t next_expiry_ns_ = 0;  ///< nothing is due before
  std::uint64_t next_report_ns_ = UINT64_MAX;
  std::uint64_t next_due_ns_ = 0;  ///< the earlier of both
};

}  // namespace hoptap::flowtable
