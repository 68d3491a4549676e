// A point that missed packets may give out a request and its response as two records, not knowing that they belong
// together. Other points that saw both know. Private to linker/.
#pragma once

#include "linker/group.h"

namespace hoptap::linker {

/// Are these the two halves of one exchange, if they belong together: of one leg at one point, one without response,
/// the other without request, in this order of time?
bool are_halves(const flowtable::HopRecord& left, const flowtable::HopRecord& right);

/// Puts what `half` has into `record`, which becomes whole.
void add_half(flowtable::HopRecord& record, flowtable::HopRecord&& half);

}  // namespace hoptap::linker
