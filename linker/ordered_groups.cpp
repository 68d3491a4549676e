#include "linker/ordered_groups.h"

#include <algorithm>
#include <tuple>

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;

/// Where a component stands in the order.
struct Place {
  std::uint64_t start_ns = 0;
  std::uint32_t point = 0;
  std::uint64_t record_id = 0;
  Components::Id id = 0;

  std::tuple<std::uint64_t, std::uint32_t, std::uint64_t> key() const { return {start_ns, point, record_id}; }
  bool operator<(const Place& other) const { return key() < other.key(); }
};

Place place_of(const HopRecord& record, Components::Id id = 0) {
  return {start_ns(record), record.point, record.record_id, id};
}

/// Of its record at the lowest point, the first there.
Place place_of(const std::vector<HopRecord>& records, Components::Id id) {
  const auto first =
      std::min_element(records.begin(), records.end(), [](const HopRecord& left, const HopRecord& right) {
        return std::tuple(left.point, start_ns(left), left.record_id) <
               std::tuple(right.point, start_ns(right), right.record_id);
      });
  return place_of(*first, id);
}

std::vector<HopRecord> read(const Components& components, Components::Id id, std::span<const std::uint32_t> point_ids) {
  std::vector<HopRecord> records;
  for (Tagged& one : components.read(id)) {
    if (one.record.point < point_ids.size()) one.record.point = point_ids[one.record.point];
    records.push_back(std::move(one.record));
  }
  return records;
}

}  // namespace

void resolve_in_order(const Components& components, std::span<const Components::Id> ids,
                      std::span<const std::uint32_t> point_ids, ClockOffsets& offsets, ResolveCounters& counters,
                      const TakeGroup& take) {
  std::vector<Place> places;
  places.reserve(ids.size());
  for (const Components::Id id : ids) {
    std::vector<HopRecord> records = read(components, id, point_ids);
    places.push_back(place_of(records, id));
    if (!is_unambiguous(records)) continue;
    ResolveCounters none;  // counted below
    for (const Group& group : resolve(std::move(records), offsets, none)) offsets.learn(group);
  }
  std::sort(places.begin(), places.end());
  for (const Place& place : places) {
    std::vector<Group> groups = resolve(read(components, place.id, point_ids), offsets, counters);
    std::sort(groups.begin(), groups.end(), [](const Group& left, const Group& right) {
      return place_of(left.records.front()) < place_of(right.records.front());
    });
    for (Group& group : groups) take(std::move(group), place.id);
  }
}

}  // namespace hoptap::linker
