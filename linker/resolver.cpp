#include "linker/resolver.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/hash.h"
#include "linker/halves.h"
#include "linker/join_keys.h"
#include "linker/streams.h"

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;

constexpr std::int64_t kNestingSlackNs = 1'000'000;  // stamps of one capture may trail each other by this

void sort_records(std::vector<HopRecord>& records) {
  std::sort(records.begin(), records.end(), [](const HopRecord& left, const HopRecord& right) {
    return std::tuple(left.point, start_ns(left), left.record_id) <
           std::tuple(right.point, start_ns(right), right.record_id);
  });
}

bool fits(const Group& group, const HopRecord& record, bool& check_failed) {
  for (const HopRecord& member : group.records) {
    if (member.point == record.point && member.leg_id == record.leg_id && !are_halves(member, record)) return false;
    if (!compatible(member, record)) {
      check_failed = true;
      return false;
    }
  }
  return true;
}

/// The groups that hold a sequence number, by number and way.
class ByNumbers {
 public:
  /// The oldest group that has one of the record's numbers and does not contradict it; null: none.
  std::size_t home_of(const HopRecord& record, const std::vector<Group>& groups, bool& check_failed) const {
    std::size_t home = kNone;
    for (const std::uint64_t number : numbers_of(record)) {
      const auto [first, end] = groups_.equal_range(number);
      for (auto at = first; at != end; ++at) {
        if (at->second < home && fits(groups[at->second], record, check_failed)) home = at->second;
      }
    }
    return home;
  }

  void add(const HopRecord& record, std::size_t group) {
    for (const std::uint64_t number : numbers_of(record)) {
      const auto [first, end] = groups_.equal_range(number);
      const bool known = std::any_of(first, end, [group](const auto& entry) { return entry.second == group; });
      if (!known) groups_.emplace(number, group);
    }
  }

  static constexpr std::size_t kNone = SIZE_MAX;

 private:
  static std::vector<std::uint64_t> numbers_of(const HopRecord& record) {
    std::vector<std::uint64_t> numbers;
    if (record.request.seen()) numbers.push_back(record.request.sequence);
    if (record.response.seen()) numbers.push_back(std::uint64_t{1} << 32 | record.response.sequence);
    return numbers;
  }

  std::unordered_multimap<std::uint64_t, std::size_t> groups_;  // looked up, never walked
};

void put_into(Group& group, HopRecord&& record) {
  const auto half = std::find_if(group.records.begin(), group.records.end(),
                                 [&](const HopRecord& member) { return are_halves(member, record); });
  if (half == group.records.end()) {
    group.records.push_back(std::move(record));
  } else {
    add_half(*half, std::move(record));
  }
}

/// TCP keys name a byte position, so a record belongs to the first group that does not contradict it.
std::vector<Group> split_streams(std::vector<HopRecord>&& records, ResolveCounters& counters) {
  std::vector<Group> groups;
  std::stable_partition(records.begin(), records.end(),  // what links those that saw one message only comes first
                        [](const HopRecord& record) { return record.request.seen() && record.response.seen(); });
  ByNumbers by_numbers;
  for (HopRecord& record : records) {
    bool check_failed = false;
    std::size_t home = by_numbers.home_of(record, groups, check_failed);
    if (check_failed) ++counters.conflicts;
    if (home == ByNumbers::kNone) {  // a header identifier alone joins the streams of a gateway, see chain_streams()
      home = groups.size();
      groups.emplace_back();
    }
    by_numbers.add(record, home);
    put_into(groups[home], std::move(record));
  }
  constexpr std::size_t kGroupsMax = 256;  // more have one identifier in common that identifies nothing
  if (groups.size() > kGroupsMax) ++counters.ids_refused;
  if (groups.size() == 1 || groups.size() > kGroupsMax) return groups;
  return chain_streams(join_renumbered(std::move(groups)));
}

/// One datagram exchange as one point saw it: several records when the point saw both sides of a router.
struct Instance {
  Group group;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};

bool same_vantage(const HopRecord& left, const HopRecord& right) {
  const base::Link& a = left.vantage.link;
  const base::Link& b = right.vantage.link;
  return left.vantage.tunnels == right.vantage.tunnels && left.request.ttl == right.request.ttl &&
         a.source == b.source && a.target == b.target && a.vlans == b.vlans && a.interface_index == b.interface_index;
}

/// The outer sighting of one exchange starts earlier and ends later than the inner one, on the same clock.
bool belongs_to(const Instance& instance, const HopRecord& record) {
  const auto start = static_cast<std::int64_t>(start_ns(record) - instance.start);
  const auto end = static_cast<std::int64_t>(end_ns(record) - instance.end);
  const bool inside = start >= -kNestingSlackNs && end <= kNestingSlackNs;
  const bool around = start <= kNestingSlackNs && end >= -kNestingSlackNs;
  const bool apart = static_cast<std::int64_t>(start_ns(record) - instance.end) > kNestingSlackNs;
  if ((!inside && !around) || apart) return false;
  return std::none_of(instance.group.records.begin(), instance.group.records.end(), [&](const HopRecord& member) {
    return member.leg_id == record.leg_id || same_vantage(member, record) || !compatible(member, record);
  });
}

std::map<std::uint32_t, std::vector<Instance>> instances_by_point(std::vector<HopRecord>&& records) {
  constexpr std::ptrdiff_t kLookBack = 8;
  std::map<std::uint32_t, std::vector<Instance>> by_point;
  for (HopRecord& record : records) {  // by point, then time
    std::vector<Instance>& instances = by_point[record.point];
    const auto first = instances.end() - std::min(kLookBack, instances.end() - instances.begin());
    const auto home =
        std::find_if(first, instances.end(), [&](const Instance& one) { return belongs_to(one, record); });
    if (home != instances.end()) {
      home->end = std::max(home->end, end_ns(record));
      home->group.records.push_back(std::move(record));
      continue;
    }
    Instance& fresh = instances.emplace_back();
    fresh.start = start_ns(record);
    fresh.end = end_ns(record);
    fresh.group.records.push_back(std::move(record));
  }
  return by_point;
}

/// The offset that most pairs of instances agree on, ns: the fullest window of all their differences.
std::int64_t voted_offset_ns(const std::vector<Instance>& from, const std::vector<Instance>& to) {
  constexpr std::size_t kInstancesMax = 64;
  constexpr std::int64_t kWindowNs = 10'000'000;
  std::vector<std::int64_t> differences;
  for (std::size_t i = 0; i < std::min(from.size(), kInstancesMax); ++i) {
    for (std::size_t j = 0; j < std::min(to.size(), kInstancesMax); ++j) {
      differences.push_back(difference_ns(to[j].start, from[i].start));
    }
  }
  std::sort(differences.begin(), differences.end());
  std::size_t best = 0, best_count = 0, low = 0;
  for (std::size_t high = 0; high < differences.size(); ++high) {
    while (differences[high] - differences[low] > kWindowNs) ++low;
    if (high - low + 1 > best_count) {
      best_count = high - low + 1;
      best = low + (high - low) / 2;
    }
  }
  return differences[best];
}

/// Pairs each of `others` with one of `base` (at least as many), both in time order, nearest first; gives indexes.
std::vector<std::size_t> pair_in_order(const std::vector<Instance>& base, const std::vector<Instance>& others,
                                       std::optional<std::int64_t> offset) {
  std::vector<std::size_t> pairs;
  std::size_t next = 0;
  for (std::size_t at = 0; at < others.size(); ++at) {
    const std::size_t left_after = others.size() - at - 1;
    if (offset) {
      const auto distance = [&](std::size_t i) {
        const std::int64_t apart = difference_ns(others[at].start, base[i].start) - *offset;
        return apart < 0 ? -apart : apart;
      };
      while (next + 1 + left_after < base.size() && distance(next + 1) <= distance(next)) ++next;
    }
    pairs.push_back(next++);
  }
  return pairs;
}

/// Datagrams carry no position, so exchanges with equal ids are told apart by their order in time at each point.
std::vector<Group> split_datagrams(std::vector<HopRecord>&& records, const ClockOffsets& offsets,
                                   ResolveCounters& counters) {
  auto by_point = instances_by_point(std::move(records));
  auto base = by_point.begin();
  for (auto at = by_point.begin(); at != by_point.end(); ++at) {
    if (at->second.size() > base->second.size()) base = at;
  }
  std::vector<Group> extra;
  for (auto& [point, instances] : by_point) {
    if (point == base->first) continue;
    std::optional<std::int64_t> offset = offsets.offset_ns(base->first, point);
    if (!offset && instances.size() != base->second.size()) offset = voted_offset_ns(base->second, instances);
    const std::vector<std::size_t> pairs = pair_in_order(base->second, instances, offset);
    for (std::size_t at = 0; at < instances.size(); ++at) {
      Group& home = base->second[pairs[at]].group;
      if (!compatible(home.records.front(), instances[at].group.records.front())) {
        ++counters.conflicts;
        extra.push_back(std::move(instances[at].group));
        continue;
      }
      for (HopRecord& record : instances[at].group.records) home.records.push_back(std::move(record));
    }
  }
  std::vector<Group> groups;
  for (Instance& instance : base->second) groups.push_back(std::move(instance.group));
  for (Group& group : extra) groups.push_back(std::move(group));
  return groups;
}

}  // namespace

void ClockOffsets::learn(const Group& group) {
  for (std::size_t i = 0; i < group.records.size(); ++i) {
    for (std::size_t j = i + 1; j < group.records.size(); ++j) {
      const HopRecord& a = group.records[i].point < group.records[j].point ? group.records[i] : group.records[j];
      const HopRecord& b = &a == &group.records[i] ? group.records[j] : group.records[i];
      if (a.point == b.point || !a.request.seen() || !b.request.seen()) continue;
      const std::pair pair(a.point, b.point);
      if (samples_.size() >= kPairsMax && samples_.count(pair) == 0) continue;
      const Sample sample{base::hash_values(a.record_id, b.record_id, a.leg_id),
                          difference_ns(b.request.first_ns, a.request.first_ns)};
      std::vector<Sample>& heap = samples_[pair];
      if (heap.size() >= kSamplesMax) {
        if (heap.front() <= sample) continue;
        std::pop_heap(heap.begin(), heap.end());
        heap.pop_back();
      }
      heap.push_back(sample);
      std::push_heap(heap.begin(), heap.end());
    }
  }
}

std::optional<std::int64_t> ClockOffsets::offset_ns(std::uint32_t from, std::uint32_t to) const {
  const auto found = samples_.find({std::min(from, to), std::max(from, to)});
  if (found == samples_.end()) return std::nullopt;
  std::vector<std::int64_t> offsets;
  for (const Sample& sample : found->second) offsets.push_back(sample.offset_ns);
  const auto middle = offsets.begin() + static_cast<std::ptrdiff_t>(offsets.size() / 2);
  std::nth_element(offsets.begin(), middle, offsets.end());
  return from < to ? *middle : -*middle;
}

bool is_unambiguous(const std::vector<HopRecord>& records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (std::size_t j = i + 1; j < records.size(); ++j) {
      if (records[i].point == records[j].point || !compatible(records[i], records[j])) return false;
      if (i == 0 && !same_numbers(records[i], records[j])) return false;
    }
    if (i > 64) return false;
  }
  return true;
}

std::vector<Group> resolve(std::vector<HopRecord>&& records, const ClockOffsets& offsets, ResolveCounters& counters) {
  sort_records(records);
  std::vector<Group> groups;
  if (is_unambiguous(records)) {
    groups.emplace_back().records = std::move(records);
  } else if (records.front().transport == kTcp) {
    groups = split_streams(std::move(records), counters);
  } else {
    groups = split_datagrams(std::move(records), offsets, counters);
  }
  for (Group& group : groups) sort_records(group.records);
  return groups;
}

}  // namespace hoptap::linker
