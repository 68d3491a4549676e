#include "linker/window.h"

#include <unordered_map>
#include <utility>

namespace hoptap::linker {

void Window::add(const flowtable::HopRecord& record, std::uint64_t tag) {
  ++counters_.hops;
  const Components::Added added = components_.add(record, tag, clock_.now());
  if (added.keyless) ++counters_.keyless;
  if (added.late) ++counters_.late;
  if (added.changed_before != Components::kNever && added.changed_before + limits_.rest_ticks <= clock_.now())
    ++counters_.amended;
  if (components_.records_of(added.home) < limits_.component_records_max) return;
  ++counters_.oversized;
  components_.seal(added.home);
}

void Window::add(const flowtable::LegRecord& leg, std::uint64_t tag) {
  ++counters_.legs;
  legs_.push_back({leg.point, tag, clock_.now(), captured(leg.to_server), captured(leg.to_client)});
}

Window::Round Window::begin_round(bool all) {
  const std::size_t room = limits_.records_max / 4 * 3;
  const std::size_t surplus = full() ? records() - room : 0;
  const auto is_old = [this](std::uint64_t tick) { return tick + limits_.kept_ticks <= clock_.now(); };
  Round round;
  std::size_t taken = 0;
  bool letting_go = true;
  for (Components::Id id = components_.oldest(); id != Components::kNone; id = components_.newer(id)) {
    letting_go = letting_go && (is_old(components_.changed_at(id)) || taken < surplus);
    const bool rested = components_.changed_at(id) + limits_.rest_ticks <= clock_.now();
    if (!all && !letting_go && !rested && !components_.given(id)) {
      round.complete = false;
      continue;
    }
    if (letting_go) taken += components_.records_of(id);
    components_.set_given(id);
    round.components.push_back(id);
    round.last.push_back(letting_go);
  }
  while (round.legs < legs_.size() && is_old(legs_[round.legs].came)) ++round.legs;
  // Legs are few and say how good captures are, so memory takes them only when they alone are too many.
  if (legs_.size() - round.legs > room) round.legs = legs_.size() - room;
  return round;
}

void Window::each_group(const Round& round, std::span<const std::uint32_t> point_ids,
                        const std::function<void(Group&&, std::size_t component)>& take) {
  std::unordered_map<Components::Id, std::size_t> index;
  for (std::size_t at = 0; at < round.components.size(); ++at) index.emplace(round.components[at], at);
  ClockOffsets offsets;
  counters_.resolved = {};
  resolve_in_order(components_, round.components, point_ids, offsets, counters_.resolved,
                   [&](Group&& group, Components::Id home) { take(std::move(group), index.at(home)); });
}

std::vector<std::uint64_t> Window::tags_of_last(const Round& round) const {
  std::vector<std::uint64_t> tags;
  for (std::size_t at = 0; at < round.components.size(); ++at) {
    if (!round.last[at]) continue;
    components_.append_tags(round.components[at], tags);
  }
  for (std::size_t at = 0; at < round.legs; ++at) tags.push_back(legs_[at].tag);
  return tags;
}

void Window::end_round(const Round& round) {
  for (std::size_t at = 0; at < round.components.size(); ++at) {
    if (!round.last[at]) continue;
    const Components::Id id = round.components[at];
    ++counters_.let_go;
    if (components_.changed_at(id) + limits_.kept_ticks > clock_.now()) ++counters_.let_go_early;
    components_.release(id);
  }
  legs_.erase(legs_.begin(), legs_.begin() + static_cast<std::ptrdiff_t>(round.legs));
}

}  // namespace hoptap::linker
