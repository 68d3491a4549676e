// Which copies of a message's packets were sent again, and which places along its way saw each of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::linker {

/// A set of places along a way: bit n is the n-th from the sender.
using Places = std::uint64_t;
inline constexpr std::size_t kPlacesMax = 64;
constexpr bool has_place(Places places, std::size_t place) { return (places >> place & 1u) != 0; }

/// A copy of a packet that was followed by another copy.
struct ResentCopy {
  Places seen = 0;       ///< the places that saw it
  Places saw_later = 0;  ///< the places that saw a later copy, and none before this one
  Places unknown = 0;    ///< the places that cannot tell
  bool of_first_byte = true;

  bool operator==(const ResentCopy&) const = default;
};

/// The resent copies of one message as sighted along its way, sender's side first; null: the place saw nothing of it.
/// Copies of the first byte are told apart by TSval or IP-ID, all others by counting repeats. At most kPlacesMax
/// places.
/// `with_gaps`: places whose captures lack some of the message's bytes.
std::vector<ResentCopy> resent_copies(std::span<const flowtable::MessageRecord* const> along, Places with_gaps = 0);

}  // namespace hoptap::linker
