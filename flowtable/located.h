// For the few functions that every packet passes through.
#pragma once

namespace hoptap::flowtable {

/// Keeps the place of `object` in a register. Left alone, the compiler may work it out again at each use, as if it cost
/// nothing: for an element of an array of structures that is some instructions.
template <class T>
[[gnu::always_inline]] inline T& located(T& object) {
  T* place = &object;
  asm("" : "+r"(place));
  return *place;
}

}  // namespace hoptap::flowtable
