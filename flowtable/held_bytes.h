// Bytes of one direction that wait for more, as a queue.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "base/bytes.h"

namespace hoptap::flowtable {

/// Used by one thread. Taking from the front moves what is left only when that is no more than what was taken.
class HeldBytes {
 public:
  explicit HeldBytes(std::pmr::memory_resource* memory) : bytes_(memory) {}

  bool empty() const { return taken_ == bytes_.size(); }
  std::size_t size() const { return bytes_.size() - taken_; }
  base::Bytes bytes() const { return base::Bytes(bytes_).subspan(taken_); }

  void append(base::Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  /// Forgets the first `count` bytes; memory is given back with the last of them.
  void take(std::size_t count) {
    taken_ += count;
    if (empty()) {
      bytes_ = std::pmr::vector<std::uint8_t>(bytes_.get_allocator());
    } else if (taken_ >= size()) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
    } else {
      return;
    }
    taken_ = 0;
  }

 private:
  std::pmr::vector<std::uint8_t> bytes_;
  std::size_t taken_ = 0;  ///< at the front, not erased yet
};

}  // namespace hoptap::flowtable
