// The batches that probes would send of some captures, one probe for each or one for all. For benchmarks; header only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "appliance/points.h"
#include "appliance/replay.h"
#include "export/wire/batch.h"

namespace hoptap::bench {

/// Takes the records of a replay. Feeds must be of captures with one interface.
class Batches : public flowtable::RecordSink {
 public:
  /// @param names  of the captures' points, as names_of_files() gives them
  /// @param together  one probe sends them all
  Batches(std::vector<std::string> names, std::size_t records_max, bool together = false)
      : names_(std::move(names)), records_max_(records_max), together_(together), open_(names_.size(), kNone) {}

  void hop(const flowtable::HopRecord& record) override {
    std::uint32_t index = record.point;
    exporting::Batch& batch = batch_of(index);
    const flowtable::MessageRecord& last = record.response.seen() ? record.response : record.request;
    exporting::BatchPoint& point = batch.points[index];
    point.reached_ns = std::max(point.reached_ns, last.last_ns);
    batch.hops.push_back(record);
    batch.hops.back().point = index;
    ++hops;
  }
  void leg(const flowtable::LegRecord& record) override {
    std::uint32_t index = record.point;
    exporting::Batch& batch = batch_of(index);
    batch.legs.push_back(record);
    batch.legs.back().point = index;
    ++legs;
  }

  std::vector<exporting::Batch> batches;  ///< in the order in which they begin
  std::vector<std::size_t> probes;        ///< [i]: whose batches[i] is: the index of its (first) point's name
  std::size_t hops = 0;
  std::size_t legs = 0;

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  /// @param point  as the replay gives it; becomes the index in the batch
  exporting::Batch& batch_of(std::uint32_t& point) {
    const std::size_t name = point / appliance::Feed::kPointsPerFeed;
    const std::size_t probe = together_ ? 0 : name;
    point = static_cast<std::uint32_t>(name - probe);
    std::size_t& at = open_[probe];
    if (at == kNone || batches[at].hops.size() + batches[at].legs.size() >= records_max_) {
      at = batches.size();
      batches.emplace_back();
      probes.push_back(probe);
      for (std::size_t one = probe; one < (together_ ? names_.size() : probe + 1); ++one) add_point(names_[one]);
    }
    return batches[at];
  }

  void add_point(const std::string& name) {
    exporting::BatchPoint now;
    now.name = name;
    now.role = appliance::role_of_name(name);
    now.packets = 1;
    batches.back().points.push_back(std::move(now));
  }

  std::vector<std::string> names_;
  std::size_t records_max_;
  bool together_;
  std::vector<std::size_t> open_;  ///< [probe]: index of its batch that takes more
};

}  // namespace hoptap::bench
