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

Place place_of(const HopRecord& record) { return {start_ns(record), record.point, record.record_id, 0}; }

std::uint32_t point_of(std::uint32_t point, std::span<const std::uint32_t> point_ids) {
  return point < point_ids.size() ? point_ids[point] : point;
}

/// Of its record at the lowest point, the first there.
Place place_of(const std::vector<flowtable::RecordHead>& heads, Components::Id id,
               std::span<const std::uint32_t> point_ids) {
  const auto key = [&](const flowtable::RecordHead& head) {
    return std::tuple(point_of(head.point, point_ids), head.start_ns, head.record_id);
  };
  const auto first = std::min_element(heads.begin(), heads.end(),
                                      [&](const auto& left, const auto& right) { return key(left) < key(right); });
  return {first->start_ns, point_of(first->point, point_ids), first->record_id, id};
}

std::vector<HopRecord> read(const Components& components, Components::Id id, std::span<const std::uint32_t> point_ids) {
  std::vector<HopRecord> records = components.read(id);
  for (HopRecord& record : records) record.point = point_of(record.point, point_ids);
  return records;
}

/// Only datagrams that may be of one request or another are told apart by clock offsets, see resolve().
bool needs_offsets(const Components& components, Components::Id id, std::span<const std::uint32_t> point_ids,
                   const std::vector<flowtable::RecordHead>& heads) {
  const auto is_datagram = [](const flowtable::RecordHead& head) { return head.transport != kTcp; };
  return heads.size() > 1 && std::any_of(heads.begin(), heads.end(), is_datagram) &&
         !is_unambiguous(read(components, id, point_ids));
}

}  // namespace

void resolve_in_order(const Components& components, std::span<const Components::Id> ids,
                      std::span<const std::uint32_t> point_ids, ClockOffsets& offsets, ResolveCounters& counters,
                      const TakeGroup& take) {
  std::vector<Place> places;
  places.reserve(ids.size());
  bool must_learn = false;  // most often not, and records need not be read twice
  for (const Components::Id id : ids) {
    const std::vector<flowtable::RecordHead> heads = components.heads(id);
    places.push_back(place_of(heads, id, point_ids));
    must_learn = must_learn || needs_offsets(components, id, point_ids, heads);
  }
  for (std::size_t at = 0; must_learn && at < ids.size(); ++at) {
    Group group{read(components, ids[at], point_ids)};
    if (is_unambiguous(group.records)) offsets.learn(group);
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
