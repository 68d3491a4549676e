// Joins hop records of many points into groups, one per request. Takes records in any interleaving; time is never a
// gate, only memory closes groups. One thread; owns the records it holds; the callback takes each group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "linker/group.h"
#include "linker/resolver.h"

namespace hoptap::linker {

struct JoinLimits {
  std::size_t pending_records_max = 131072;    ///< over it, the groups least recently touched are closed
  std::size_t component_records_max = 16384;   ///< records reachable from each other by keys; over it, closed
  std::size_t remembered_keys_max = 1u << 18;  ///< keys of closed groups, to tell late records
};

struct JoinCounters {
  std::uint64_t records = 0;
  std::uint64_t groups = 0;
  std::uint64_t joined = 0;   ///< groups of more than one record
  std::uint64_t keyless = 0;  ///< records with nothing to join them by
  ResolveCounters resolved;
  std::uint64_t closed_early = 0;  ///< groups closed by pending_records_max
  std::uint64_t oversized = 0;     ///< times component_records_max was reached
  std::uint64_t late = 0;          ///< records of a group already closed, as far as remembered
};

class Joiner {
 public:
  using Deliver = std::function<void(Group&&)>;

  Joiner(JoinLimits limits, Deliver deliver);

  /// Takes one record. May deliver groups closed by a limit.
  void add(flowtable::HopRecord&& record);

  /// Delivers all that is held, by the first request time at each group's lowest point id, then point and record id:
  /// the same groups in the same order however the points' records were interleaved.
  void flush();

  const JoinCounters& counters() const { return counters_; }
  std::size_t pending_records() const { return pending_records_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// Records reachable from each other by keys; a doubly linked list keeps the least recently touched first.
  struct Component {
    std::vector<flowtable::HopRecord> records;
    std::vector<std::uint64_t> keys;
    std::uint32_t older = kNone;
    std::uint32_t newer = kNone;
  };

  std::uint32_t find_or_make(const std::vector<std::uint64_t>& keys);
  std::uint32_t merge(std::uint32_t left, std::uint32_t right);
  std::uint32_t make();
  void unlink(std::uint32_t at);
  void touch(std::uint32_t at);
  std::vector<flowtable::HopRecord> release(std::uint32_t at);
  void close(std::uint32_t at);
  void remember(const std::vector<std::uint64_t>& keys);
  void give(Group&& group);

  JoinLimits limits_;
  Deliver deliver_;
  JoinCounters counters_;
  ClockOffsets offsets_;
  std::vector<Component> components_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;  // looked up, never walked
  std::unordered_set<std::uint64_t> remembered_;
  std::deque<std::uint64_t> remembered_order_;
  std::uint32_t oldest_ = kNone;
  std::uint32_t newest_ = kNone;
  std::size_t pending_records_ = 0;
};

}  // namespace hoptap::linker
