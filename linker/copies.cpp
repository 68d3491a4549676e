#include "linker/copies.h"

#include <algorithm>
#include <map>
#include <optional>

namespace hoptap::linker {
namespace {

using flowtable::MessageRecord;

/// What names each copy of the first byte at this point, or nothing when they cannot all be told apart.
std::optional<std::vector<std::uint32_t>> names_of(const MessageRecord& message, bool by_tsval) {
  if (message.copies > MessageRecord::kCopiesMax) return std::nullopt;
  std::vector<std::uint32_t> names{by_tsval ? message.tsval : message.ip_id};
  for (std::size_t at = 0; at < message.copies; ++at) {
    names.push_back(by_tsval ? message.copy[at].tsval : message.copy[at].ip_id);
  }
  std::sort(names.begin(), names.end());
  if (names.front() == 0 || std::adjacent_find(names.begin(), names.end()) != names.end()) return std::nullopt;
  return names;
}

/// By name: a copy is lost behind the farthest point that saw it.
bool count_named(std::span<const MessageRecord* const> along, bool by_tsval, std::vector<std::uint32_t>& lost) {
  std::map<std::uint32_t, std::size_t> farthest;
  for (std::size_t at = 0; at < along.size(); ++at) {
    const auto names = names_of(*along[at], by_tsval);
    if (!names) return false;
    for (const std::uint32_t name : *names) farthest[name] = at;
  }
  for (const auto& [name, at] : farthest) {
    if (at + 1 < along.size()) ++lost[at];
  }
  return true;
}

/// By number only, where copies have no names.
void count_unnamed(std::span<const MessageRecord* const> along, std::vector<std::uint32_t>& lost) {
  std::uint32_t beyond = along.back()->copies;
  for (std::size_t at = along.size() - 1; at > 0; --at) {
    const std::uint32_t here = along[at - 1]->copies;
    if (here > beyond) lost[at - 1] += here - beyond;
    beyond = std::max(beyond, here);
  }
}

/// Repeats that are news beyond: the original was lost between. Copies of the first byte are among them.
void count_repeats(std::span<const MessageRecord* const> along, std::vector<std::uint32_t>& lost) {
  std::uint32_t beyond = along.back()->retransmissions;
  for (std::size_t at = along.size() - 1; at > 0; --at) {
    const std::uint32_t here = along[at - 1]->retransmissions;
    if (here > beyond && along[at]->unseen_bytes == 0) lost[at - 1] = std::max(lost[at - 1], here - beyond);
    beyond = std::max(beyond, here);
  }
}

}  // namespace

std::vector<std::uint32_t> copies_lost(std::span<const MessageRecord* const> along) {
  if (along.size() < 2) return {};
  std::vector<std::uint32_t> lost(along.size() - 1);
  const bool copied = std::any_of(along.begin(), along.end(), [](const MessageRecord* message) {
    return message->copies > 0 || message->retransmissions > 0;
  });
  if (!copied) return lost;
  if (!count_named(along, true, lost) && !count_named(along, false, lost)) {
    count_unnamed(along, lost);
  }
  count_repeats(along, lost);
  return lost;
}

}  // namespace hoptap::linker
