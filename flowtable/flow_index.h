// From a key's hash to the flow that has it: open addressing, linear probing (Knuth, TAOCP 3, section 6.4), eight
// bytes an entry. The size is fixed, so that no packet ever pays for a rehash.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>

#include "flowtable/slab.h"

namespace hoptap::flowtable {

/// Used by one thread. The hash must be seeded where an attacker may choose keys.
class FlowIndex {
 public:
  /// @param flows_max  keys that it will ever hold at once
  explicit FlowIndex(std::size_t flows_max)
      : mask_(std::bit_ceil(std::max<std::size_t>(flows_max, 8) * 4 / 3) - 1),
        memory_((mask_ + 1) * sizeof(Entry)),
        entries_(static_cast<Entry*>(memory_.base())) {}

  void prefetch(std::uint32_t hash) const { __builtin_prefetch(&entries_[hash & mask_]); }

  /// The first flow with this hash, likely the one; for prefetching only.
  SlabIndex likely(std::uint32_t hash) const {
    const Entry& entry = entries_[hash & mask_];
    return entry.hash == hash ? entry.flow_plus_one - 1 : kNoIndex;
  }

  /// The flow with this hash for which `same(flow)`; kNoIndex when there is none.
  template <class Same>
  SlabIndex find(std::uint32_t hash, Same&& same) const {
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.flow_plus_one == 0) return kNoIndex;
      if (entry.hash == hash && same(entry.flow_plus_one - 1)) return entry.flow_plus_one - 1;
    }
  }

  void insert(std::uint32_t hash, SlabIndex flow) {
    std::size_t at = hash & mask_;
    while (entries_[at].flow_plus_one != 0) at = (at + 1) & mask_;
    entries_[at] = {hash, flow + 1};
  }

  /// Puts another flow in the place of one.
  void replace(std::uint32_t hash, SlabIndex flow, SlabIndex other) {
    entries_[place_of(hash, flow)].flow_plus_one = other + 1;
  }

  void erase(std::uint32_t hash, SlabIndex flow) {
    std::size_t hole = place_of(hash, flow);
    // Deletion without tombstones (Knuth's algorithm R): what would no longer be found moves into the hole.
    for (std::size_t at = (hole + 1) & mask_; entries_[at].flow_plus_one != 0; at = (at + 1) & mask_) {
      const std::size_t home = entries_[at].hash & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = {};
  }

 private:
  struct Entry {
    std::uint32_t hash;
    std::uint32_t flow_plus_one;  ///< 0: free
  };

  std::size_t place_of(std::uint32_t hash, SlabIndex flow) const {
    std::size_t at = hash & mask_;
    while (entries_[at].flow_plus_one != flow + 1) {
      assert(entries_[at].flow_plus_one != 0);
      at = (at + 1) & mask_;
    }
    return at;
  }

  std::size_t mask_;
  Reserved memory_;
  Entry* entries_;
};

}  // namespace hoptap::flowtable
