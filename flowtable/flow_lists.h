// The flows of a table by stage, each list with the longest idle first.
#pragma once

#include <array>
#include <cstdint>

#include "flowtable/flow.h"

namespace hoptap::flowtable {

/// Used by one thread. A busy flow moves to the young end only once in a while, so that most packets touch no
/// neighbours: the order is right to within kCoarseNs.
class FlowLists {
 public:
  static constexpr unsigned kCoarseBits = 27;
  static constexpr std::uint64_t kCoarseNs = 1u << kCoarseBits;  ///< 134 ms

  explicit FlowLists(Slab<Flow>& flows) : flows_(flows) {}

  SlabIndex oldest(FlowStage stage) const { return list(stage).oldest; }

  void append(SlabIndex index, FlowStage stage) {
    Flow& flow = flows_[index];
    List& to = list(stage);
    flow.stage = stage;
    flow.older = to.youngest;
    flow.younger = kNoIndex;
    (to.youngest == kNoIndex ? to.oldest : flows_[to.youngest].younger) = index;
    to.youngest = index;
  }
  void remove(SlabIndex index) {
    Flow& flow = flows_[index];
    List& from = list(flow.stage);
    (flow.older == kNoIndex ? from.oldest : flows_[flow.older].younger) = flow.younger;
    (flow.younger == kNoIndex ? from.youngest : flows_[flow.younger].older) = flow.older;
  }
  void move(SlabIndex index, FlowStage stage) {
    remove(index);
    append(index, stage);
  }

  /// A packet of the flow has passed, the one before at `last_ns`: is it time to move it to the young end?
  static bool is_due(std::uint64_t last_ns, std::uint64_t now_ns) { return (last_ns ^ now_ns) >> kCoarseBits != 0; }

 private:
  struct List {
    SlabIndex oldest = kNoIndex, youngest = kNoIndex;
  };
  List& list(FlowStage stage) { return lists_[static_cast<std::size_t>(stage)]; }
  const List& list(FlowStage stage) const { return lists_[static_cast<std::size_t>(stage)]; }

  Slab<Flow>& flows_;
  std::array<List, kFlowStages> lists_;
};

}  // namespace hoptap::flowtable
