// The losses of one trace: which copies did not get through, between which stops of its path. Private to linker/.
#pragma once

#include <cstddef>
#include <vector>

#include "linker/trace.h"

namespace hoptap::linker {

/// Fills trace.losses, and makes untimed the hops whose capture missed the copy that counts: what they saw is a later
/// copy, so their times are late. Needs hops and stops.
void find_losses(Trace& trace, const RunKnowledge& run);

}  // namespace hoptap::linker
