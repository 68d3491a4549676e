#include "linker/joiner.h"

#include <utility>

#include "linker/ordered_groups.h"

namespace hoptap::linker {

Joiner::Joiner(JoinLimits limits, Deliver deliver)
    : limits_(limits), deliver_(std::move(deliver)), components_(limits.remembered_keys_max) {}

void Joiner::add(const flowtable::HopRecord& record) {
  ++counters_.records;
  const Components::Added added = components_.add(record, 0, 0);
  if (added.keyless) ++counters_.keyless;
  if (added.late) ++counters_.late;
  if (components_.records_of(added.home) >= limits_.component_records_max) {
    ++counters_.oversized;
    close(added.home);
  }
  while (components_.records() > limits_.pending_records_max) {
    ++counters_.closed_early;
    close(components_.oldest());
  }
}

void Joiner::close(Components::Id id) {
  std::vector<flowtable::HopRecord> records = components_.read(id);
  components_.release(id);
  const bool certain = is_unambiguous(records);
  for (Group& group : resolve(std::move(records), offsets_, counters_.resolved)) {
    if (certain) offsets_.learn(group);
    give(std::move(group));
  }
}

void Joiner::flush() {
  std::vector<Components::Id> ids;
  for (Components::Id id = components_.oldest(); id != Components::kNone; id = components_.newer(id)) ids.push_back(id);
  resolve_in_order(components_, ids, {}, offsets_, counters_.resolved,
                   [this](Group&& group, Components::Id) { give(std::move(group)); });
  for (const Components::Id id : ids) components_.release(id);
}

void Joiner::give(Group&& group) {
  ++counters_.groups;
  if (group.records.size() > 1) ++counters_.joined;
  deliver_(std::move(group));
}

}  // namespace hoptap::linker
