#include "linker/copies.h"

#include <algorithm>
#include <cassert>
#include <optional>

namespace hoptap::linker {
namespace {

using flowtable::MessageRecord;
using Along = std::span<const MessageRecord* const>;

/// What names a copy: a counter of its sender, so that names also tell which copy came first.
enum class NamedBy : std::uint8_t { kTimestamp, kIpId };

bool is_before(std::uint32_t left, std::uint32_t right, NamedBy by) {
  if (by == NamedBy::kTimestamp) return static_cast<std::int32_t>(left - right) < 0;
  return static_cast<std::int16_t>(left - right) < 0;
}

/// The names of the copies of the first byte at one place; nothing when they cannot all be told apart.
std::optional<std::vector<std::uint32_t>> names_at(const MessageRecord& message, NamedBy by) {
  if (message.copies > MessageRecord::kCopiesMax) return std::nullopt;
  const bool by_time = by == NamedBy::kTimestamp;
  std::vector<std::uint32_t> names{by_time ? message.tsval : message.ip_id};
  for (std::size_t at = 0; at < message.copies; ++at) {
    names.push_back(by_time ? message.copy[at].tsval : message.copy[at].ip_id);
  }
  std::vector<std::uint32_t> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const bool alike = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (alike || std::find(sorted.begin(), sorted.end(), 0u) != sorted.end()) return std::nullopt;
  return names;
}

struct NamedCopy {
  std::uint32_t name;
  Places seen;
};

/// All copies of the first byte in the order they were sent; nothing when they have no names.
std::optional<std::vector<NamedCopy>> named_copies(Along along, NamedBy by) {
  std::vector<NamedCopy> copies;
  for (std::size_t place = 0; place < along.size(); ++place) {
    if (along[place] == nullptr) continue;
    const auto names = names_at(*along[place], by);
    if (!names) return std::nullopt;
    for (const std::uint32_t name : *names) {
      const auto known =
          std::find_if(copies.begin(), copies.end(), [&](const NamedCopy& copy) { return copy.name == name; });
      if (known != copies.end()) {
        known->seen |= Places{1} << place;
      } else {
        copies.push_back({name, Places{1} << place});
      }
    }
  }
  std::sort(copies.begin(), copies.end(),
            [by](const NamedCopy& left, const NamedCopy& right) { return is_before(left.name, right.name, by); });
  return copies;
}

void add_named(const std::vector<NamedCopy>& copies, std::vector<ResentCopy>& resent) {
  Places earlier = 0;
  for (std::size_t at = 0; at + 1 < copies.size(); ++at) {
    earlier |= copies[at].seen;
    Places later = 0;
    for (std::size_t next = at + 1; next < copies.size(); ++next) later |= copies[next].seen;
    resent.push_back({copies[at].seen, later & ~earlier, 0, true});
  }
}

std::uint64_t sending_ns(const MessageRecord& message) { return message.last_ns - message.first_ns; }

/// Was a repeat what completed the message here? Then it filled a hole in what had come by then, or, the message's end,
/// made it longer by as long as the repeat took. If not, the first copy had passed, and the repeat came after the
/// exchange had ended.
bool waited_for_repeat(const MessageRecord& here, const MessageRecord& witness, std::uint32_t missed) {
  if (here.out_of_order >= witness.out_of_order + missed) return true;
  const std::uint64_t repeat_ns = witness.last_copy_ns - std::min(witness.last_copy_ns, witness.last_ns);
  return sending_ns(here) > sending_ns(witness) + repeat_ns / 2;
}

/// Repeats beyond those of the first byte. The n-th repeat was seen where n were counted, or where the message was
/// whole without it.
void add_counted(Along along, Places with_gaps, bool first_byte_named, std::vector<ResentCopy>& resent) {
  const auto repeats = [&](std::size_t place) -> std::uint32_t {
    if (along[place] == nullptr) return 0;
    const std::uint32_t of_first_byte = first_byte_named ? along[place]->copies : 0;
    return along[place]->retransmissions - std::min(along[place]->retransmissions, of_first_byte);
  };
  constexpr std::uint32_t kRepeatsMax = 64;
  std::uint32_t most = 0;
  for (std::size_t place = 0; place < along.size(); ++place) most = std::max(most, repeats(place));
  for (std::uint32_t repeat = 1; repeat <= std::min(most, kRepeatsMax); ++repeat) {
    const MessageRecord* witness = nullptr;  // whose sending was not held up: the quickest that saw the repeat
    for (std::size_t place = 0; place < along.size(); ++place) {
      if (along[place] == nullptr || repeats(place) < repeat) continue;
      if (witness == nullptr || sending_ns(*along[place]) < sending_ns(*witness)) witness = along[place];
    }
    ResentCopy copy{0, 0, 0, false};
    for (std::size_t place = 0; place < along.size(); ++place) {
      const Places here = Places{1} << place;
      // Without names, a late first byte looks like any other.
      const bool nameless = !first_byte_named && witness->copies > 0;
      if (along[place] != nullptr && repeats(place) >= repeat) {
        copy.seen |= here;
      } else if (along[place] == nullptr || has_place(with_gaps, place)) {
        copy.unknown |= here;
      } else {
        const bool later = nameless || waited_for_repeat(*along[place], *witness, repeat - repeats(place));
        (later ? copy.saw_later : copy.seen) |= here;
      }
    }
    resent.push_back(copy);
  }
}

}  // namespace

std::vector<ResentCopy> resent_copies(Along along, Places with_gaps) {
  assert(along.size() <= kPlacesMax);
  std::vector<ResentCopy> resent;
  const auto is_resent = [&](const MessageRecord* message) {
    return message != nullptr && (message->copies > 0 || message->retransmissions > 0);
  };
  if (std::none_of(along.begin(), along.end(), is_resent)) return resent;
  auto named = named_copies(along, NamedBy::kTimestamp);
  if (!named) named = named_copies(along, NamedBy::kIpId);
  if (named) add_named(*named, resent);
  add_counted(along, with_gaps, named.has_value(), resent);
  return resent;
}

}  // namespace hoptap::linker
