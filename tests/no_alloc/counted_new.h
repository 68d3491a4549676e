// Counts allocations: this executable's operator new and delete are ours.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hoptap::tests {

/// Calls of operator new so far, in any of its forms.
std::uint64_t allocations();

/// What the process has taken by other ways too: malloc() and mmap(). 0 where the sanitizers' allocator is used.
struct Taken {
  std::size_t malloc_bytes = 0;
  std::size_t address_space_pages = 0;

  bool operator==(const Taken&) const = default;
};
Taken taken();

/// Ends the program at the next operator new, so that a debugger or core dump shows who called. For finding one by
/// hand.
void trap_on_allocation(bool trap);

}  // namespace hoptap::tests
