// A request may travel in several byte streams one after the other: a gateway of the application layer ends the
// client's connection and asks on over one of its own. Private to linker/.
#pragma once

#include <vector>

#include "linker/group.h"

namespace hoptap::linker {

/// Do both have the same sequence number in a direction? All boxes that pass bytes on keep those of one at least, but
/// for firewalls that make both anew. True for datagrams.
bool same_numbers(const flowtable::HopRecord& left, const flowtable::HopRecord& right);

/// Are these sightings of one request of one byte stream? Where numbers were made anew, the same bytes must have been
/// asked for.
bool same_stream(const flowtable::HopRecord& left, const flowtable::HopRecord& right);

/// Puts groups with other numbers together that a box made of one stream: seen at different points, the same request
/// with the same timestamps. Where more than two fit each other nothing is joined.
std::vector<Group> join_renumbered(std::vector<Group>&& groups);

/// Puts groups (each of one stream, all with keys in common) that carry the same header identifier together where one
/// waits for the other: the wait of the outer is longer, and at a point that saw both, it encloses the inner. Repeats
/// of a request with the same identifier (retries) stay apart.
std::vector<Group> chain_streams(std::vector<Group>&& groups);

}  // namespace hoptap::linker
