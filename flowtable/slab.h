// Objects of one type in one array, taken and given back by index. The address space for all of them is reserved at
// once, memory is used as objects are: no pointer into it ever moves, and a flow costs what it is and no more.
#pragma once

#include <sys/mman.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>

namespace hoptap::flowtable {

/// Index of an object in its Slab.
using SlabIndex = std::uint32_t;
inline constexpr SlabIndex kNoIndex = UINT32_MAX;

/// Address space for `bytes` that reads as zero and takes memory page by page as it is touched; never huge pages, but
/// where the kernel is told to use them for shared memory.
class Reserved {
 public:
  explicit Reserved(std::size_t bytes) : bytes_(bytes) {
    // Private memory that is read first is a page of zeros that all share, until it is written to: then the kernel
    // interrupts every CPU with a thread of this process, for each page.
    base_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Reserved() { ::munmap(base_, bytes_); }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;

  void* base() const { return base_; }

 private:
  std::size_t bytes_;
  void* base_;
};

/// Used by one thread. take() makes T anew, give_back() destroys it; what is not given back is not destroyed.
template <class T>
class Slab {
  static_assert(sizeof(T) >= sizeof(SlabIndex));

 public:
  explicit Slab(std::size_t capacity) : capacity_(capacity), memory_(capacity * sizeof(T)) {
    assert(capacity < kNoIndex);
  }

  /// A fresh object, or kNoIndex when all are taken.
  SlabIndex take() {
    SlabIndex index = free_;
    if (index != kNoIndex) {
      free_ = next_free(index);
    } else {
      if (used_ == capacity_) return kNoIndex;
      index = static_cast<SlabIndex>(used_++);
    }
    ++live_;
    new (&at(index)) T();
    return index;
  }

  void give_back(SlabIndex index) {
    at(index).~T();
    next_free(index) = free_;
    free_ = index;
    --live_;
  }

  T& operator[](SlabIndex index) {
    assert(index < used_);
    return at(index);
  }
  const T& operator[](SlabIndex index) const {
    assert(index < used_);
    return static_cast<const T*>(memory_.base())[index];
  }

  SlabIndex index_of(const T& object) const {
    return static_cast<SlabIndex>(&object - static_cast<const T*>(memory_.base()));
  }

  void prefetch(SlabIndex index) const { __builtin_prefetch(static_cast<const T*>(memory_.base()) + index); }

  std::size_t live() const { return live_; }

 private:
  T& at(SlabIndex index) { return static_cast<T*>(memory_.base())[index]; }
  SlabIndex& next_free(SlabIndex index) { return *reinterpret_cast<SlabIndex*>(&at(index)); }

  std::size_t capacity_;
  Reserved memory_;
  std::size_t used_ = 0;  ///< objects ever taken
  std::size_t live_ = 0;
  SlabIndex free_ = kNoIndex;
};

}  // namespace hoptap::flowtable
