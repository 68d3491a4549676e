// Resolves components into groups in an order that does not depend on how their records arrived, so that what is
// learned from the groups does not either. Pure but for what it counts; one thread.
#pragma once

#include <functional>
#include <span>

#include "linker/components.h"
#include "linker/group.h"
#include "linker/resolver.h"

namespace hoptap::linker {

using TakeGroup = std::function<void(Group&& group, Components::Id home)>;

/// Gives every group of these components: by the first request time at the component's lowest point id, then point and
/// record id. Before anything is decided by clock offsets, they are learned from what allows no doubt.
/// @param point_ids  [record.point]: the id to put in its place; empty: ids stay
void resolve_in_order(const Components& components, std::span<const Components::Id> ids,
                      std::span<const std::uint32_t> point_ids, ClockOffsets& offsets, ResolveCounters& counters,
                      const TakeGroup& take);

}  // namespace hoptap::linker
