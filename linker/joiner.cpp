#include "linker/joiner.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "linker/join_keys.h"

namespace hoptap::linker {

Joiner::Joiner(JoinLimits limits, Deliver deliver) : limits_(limits), deliver_(std::move(deliver)) {}

void Joiner::add(flowtable::HopRecord&& record) {
  ++counters_.records;
  const std::vector<std::uint64_t> keys = join_keys(record);
  if (keys.empty()) ++counters_.keyless;
  const std::uint32_t home = find_or_make(keys);
  Component& component = components_[home];
  for (const std::uint64_t key : keys) {
    if (index_.emplace(key, home).second) component.keys.push_back(key);
  }
  component.records.push_back(std::move(record));
  ++pending_records_;
  touch(home);
  if (component.records.size() >= limits_.component_records_max) {
    ++counters_.oversized;
    close(home);
  }
  while (pending_records_ > limits_.pending_records_max) {
    ++counters_.closed_early;
    close(oldest_);
  }
}

std::uint32_t Joiner::find_or_make(const std::vector<std::uint64_t>& keys) {
  std::uint32_t home = kNone;
  for (const std::uint64_t key : keys) {
    const auto found = index_.find(key);
    if (found == index_.end() || found->second == home) continue;
    home = home == kNone ? found->second : merge(home, found->second);
  }
  if (home != kNone) return home;
  const bool late =
      std::any_of(keys.begin(), keys.end(), [this](std::uint64_t key) { return remembered_.count(key) > 0; });
  if (late) ++counters_.late;
  return make();
}

/// The smaller component moves into the larger, so a record moves O(log n) times at most.
std::uint32_t Joiner::merge(std::uint32_t left, std::uint32_t right) {
  if (components_[left].records.size() < components_[right].records.size()) std::swap(left, right);
  Component& target = components_[left];
  Component& source = components_[right];
  for (const std::uint64_t key : source.keys) {
    index_[key] = left;
    target.keys.push_back(key);
  }
  for (flowtable::HopRecord& record : source.records) target.records.push_back(std::move(record));
  unlink(right);
  source = {};
  free_.push_back(right);
  return left;
}

std::uint32_t Joiner::make() {
  std::uint32_t at = 0;
  if (free_.empty()) {
    at = static_cast<std::uint32_t>(components_.size());
    components_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  components_[at].older = newest_;
  (newest_ == kNone ? oldest_ : components_[newest_].newer) = at;
  newest_ = at;
  return at;
}

void Joiner::unlink(std::uint32_t at) {
  Component& component = components_[at];
  (component.older == kNone ? oldest_ : components_[component.older].newer) = component.newer;
  (component.newer == kNone ? newest_ : components_[component.newer].older) = component.older;
  component.older = component.newer = kNone;
}

void Joiner::touch(std::uint32_t at) {
  if (newest_ == at) return;
  unlink(at);
  components_[at].older = newest_;
  components_[newest_].newer = at;  // another one exists, else `at` were the newest
  newest_ = at;
}

std::vector<flowtable::HopRecord> Joiner::release(std::uint32_t at) {
  Component& component = components_[at];
  for (const std::uint64_t key : component.keys) index_.erase(key);
  remember(component.keys);
  std::vector<flowtable::HopRecord> records = std::move(component.records);
  pending_records_ -= records.size();
  unlink(at);
  component = {};
  free_.push_back(at);
  return records;
}

void Joiner::close(std::uint32_t at) {
  std::vector<flowtable::HopRecord> records = release(at);
  const bool certain = is_unambiguous(records);
  for (Group& group : resolve(std::move(records), offsets_, counters_.resolved)) {
    if (certain) offsets_.learn(group);
    give(std::move(group));
  }
}

void Joiner::flush() {
  std::vector<Group> groups;
  std::vector<std::vector<flowtable::HopRecord>> doubtful;
  while (oldest_ != kNone) {
    std::vector<flowtable::HopRecord> records = release(oldest_);
    if (!is_unambiguous(records)) {
      doubtful.push_back(std::move(records));
      continue;
    }
    for (Group& group : resolve(std::move(records), offsets_, counters_.resolved)) {
      offsets_.learn(group);
      groups.push_back(std::move(group));
    }
  }
  for (std::vector<flowtable::HopRecord>& records : doubtful) {  // now the clock offsets are known
    for (Group& group : resolve(std::move(records), offsets_, counters_.resolved)) groups.push_back(std::move(group));
  }
  std::sort(groups.begin(), groups.end(), [](const Group& left, const Group& right) {
    const flowtable::HopRecord& a = left.records.front();
    const flowtable::HopRecord& b = right.records.front();
    return std::tuple(start_ns(a), a.point, a.record_id) < std::tuple(start_ns(b), b.point, b.record_id);
  });
  for (Group& group : groups) give(std::move(group));
}

void Joiner::remember(const std::vector<std::uint64_t>& keys) {
  for (const std::uint64_t key : keys) {
    if (!remembered_.insert(key).second) continue;
    remembered_order_.push_back(key);
    if (remembered_order_.size() <= limits_.remembered_keys_max) continue;
    remembered_.erase(remembered_order_.front());
    remembered_order_.pop_front();
  }
}

void Joiner::give(Group&& group) {
  ++counters_.groups;
  if (group.records.size() > 1) ++counters_.joined;
  deliver_(std::move(group));
}

}  // namespace hoptap::linker
