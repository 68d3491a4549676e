#include "linker/components.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/archive.h"
#include "linker/join_keys.h"

namespace hoptap::linker {
namespace {

using RecordSize = std::uint32_t;

void put_tagged(std::uint64_t tag, const flowtable::HopRecord& record, std::vector<std::uint8_t>& out) {
  base::put_number(tag, out);
  const std::size_t place = out.size();
  out.resize(place + sizeof(RecordSize));
  flowtable::encode(record, out);
  const auto size = static_cast<RecordSize>(out.size() - place - sizeof(RecordSize));
  std::memcpy(&out[place], &size, sizeof size);
}

/// Appends and keeps little room to spare: most components are complete with a few records.
void append(const std::vector<std::uint8_t>& more, std::vector<std::uint8_t>& bytes) {
  if (bytes.capacity() - bytes.size() < more.size()) {
    bytes.reserve(bytes.size() + std::max(more.size(), bytes.size() / 4));
  }
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

Components::Added Components::add(const flowtable::HopRecord& record, std::uint64_t tag, std::uint64_t now) {
  const std::vector<std::uint64_t> keys = join_keys(record);
  Added added;
  added.keyless = keys.empty();
  added.home = find_or_make(keys, added);
  Component& component = components_[added.home];
  for (const std::uint64_t key : keys) {
    if (index_.emplace(key, added.home).second) component.keys.push_back(key);
  }
  const std::size_t before = component.bytes.size();
  coded_.clear();
  put_tagged(tag, record, coded_);
  append(coded_, component.bytes);
  bytes_ += component.bytes.size() - before;
  if (component.records > 0) added.changed_before = component.changed;
  component.changed = now;
  ++component.records;
  ++records_;
  touch(added.home);
  return added;
}

Components::Id Components::find_or_make(const std::vector<std::uint64_t>& keys, Added& added) {
  Id home = kNone;
  for (const std::uint64_t key : keys) {
    const auto found = index_.find(key);
    if (found == index_.end() || found->second == home) continue;
    home = home == kNone ? found->second : merge(home, found->second);
  }
  if (home != kNone) return home;
  added.late = std::any_of(keys.begin(), keys.end(), [this](std::uint64_t key) { return remembered_.count(key) > 0; });
  return make();
}

/// The smaller component moves into the larger, so a record moves O(log n) times at most.
Components::Id Components::merge(Id left, Id right) {
  if (components_[left].records < components_[right].records) std::swap(left, right);
  Component& target = components_[left];
  Component& source = components_[right];
  for (const std::uint64_t key : source.keys) {
    index_[key] = left;
    target.keys.push_back(key);
  }
  append(source.bytes, target.bytes);
  target.records += source.records;
  target.given = target.given || source.given;
  unlink(right);
  source = {};
  free_.push_back(right);
  return left;
}

Components::Id Components::make() {
  Id id = 0;
  if (free_.empty()) {
    id = static_cast<Id>(components_.size());
    components_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  components_[id].older = newest_;
  (newest_ == kNone ? oldest_ : components_[newest_].newer) = id;
  newest_ = id;
  return id;
}

void Components::unlink(Id id) {
  Component& component = components_[id];
  (component.older == kNone ? oldest_ : components_[component.older].newer) = component.newer;
  (component.newer == kNone ? newest_ : components_[component.newer].older) = component.older;
  component.older = component.newer = kNone;
}

void Components::touch(Id id) {
  if (newest_ == id) return;
  unlink(id);
  components_[id].older = newest_;
  components_[newest_].newer = id;  // another one exists, else `id` were the newest
  newest_ = id;
}

template <class Visit>
void Components::each_record(Id id, Visit visit) const {
  base::Bytes rest(components_[id].bytes);
  while (!rest.empty()) {
    const auto tag = base::take_number(rest);
    RecordSize size = 0;
    assert(tag && rest.size() > sizeof size);  // we wrote them
    std::memcpy(&size, rest.data(), sizeof size);
    visit(*tag, rest.subspan(sizeof size, size));
    rest = rest.subspan(sizeof size + size);
  }
}

std::vector<flowtable::HopRecord> Components::read(Id id) const {
  std::vector<flowtable::HopRecord> records;
  records.reserve(components_[id].records);
  each_record(id, [&](std::uint64_t, base::Bytes bytes) {
    auto record = flowtable::decode_hop(bytes);
    assert(record);
    if (record) records.push_back(std::move(*record));
  });
  return records;
}

std::vector<flowtable::RecordHead> Components::heads(Id id) const {
  std::vector<flowtable::RecordHead> heads;
  heads.reserve(components_[id].records);
  each_record(id, [&](std::uint64_t, base::Bytes bytes) {
    const auto head = flowtable::decode_head(bytes);
    assert(head);
    if (head) heads.push_back(*head);
  });
  return heads;
}

void Components::append_tags(Id id, std::vector<std::uint64_t>& tags) const {
  each_record(id, [&](std::uint64_t tag, base::Bytes) { tags.push_back(tag); });
}

void Components::seal(Id id) {
  Component& component = components_[id];
  for (const std::uint64_t key : component.keys) index_.erase(key);
  component.keys.clear();
}

void Components::release(Id id) {
  remember(components_[id].keys);
  seal(id);
  Component& component = components_[id];
  records_ -= component.records;
  bytes_ -= component.bytes.size();
  unlink(id);
  component = {};
  free_.push_back(id);
}

void Components::remember(const std::vector<std::uint64_t>& keys) {
  for (const std::uint64_t key : keys) {
    if (!remembered_.insert(key).second) continue;
    remembered_order_.push_back(key);
    if (remembered_order_.size() <= remembered_keys_max_) continue;
    remembered_.erase(remembered_order_.front());
    remembered_order_.pop_front();
  }
}

}  // namespace hoptap::linker
