// Counts allocations: this executable's operator new and delete are ours.
#pragma once

#include <cstdint>

namespace hoptap::tests {

/// Calls of operator new so far, in any of its forms.
std::uint64_t allocations();

/// Ends the program at the next operator new, so that a debugger or core dump shows who called. For finding one by
/// hand.
void trap_on_allocation(bool trap);

}  // namespace hoptap::tests
