// Objects that keep what they have allocated while they are not in use.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace hoptap::flowtable {

/// Used by one thread. What take() gives is as it was when it was given back: the user renews it.
template <class T>
class ObjectPool {
 public:
  T& take() {
    ++in_use_;
    if (free_.empty()) {
      if (free_.capacity() <= all_.size()) free_.reserve(2 * all_.size() + 1);  // so that give_back() never allocates
      return all_.emplace_back();
    }
    T& object = *free_.back();
    free_.pop_back();
    return object;
  }
  void give_back(T& object) {
    --in_use_;
    free_.push_back(&object);
  }
  std::size_t in_use() const { return in_use_; }

 private:
  std::deque<T> all_;
  std::vector<T*> free_;
  std::size_t in_use_ = 0;
};

}  // namespace hoptap::flowtable
