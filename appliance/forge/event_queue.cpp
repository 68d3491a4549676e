#include "appliance/forge/event_queue.h"

#include <algorithm>

namespace hoptap::forge {

void EventQueue::at(Time time, Handler& handler, std::uint64_t what) {
  events_.push({std::max(time, now_), planned_++, &handler, what});
}

bool EventQueue::step() {
  if (events_.empty()) return false;
  const Event event = events_.top();
  events_.pop();
  now_ = event.time;
  event.handler->happen(event.what);
  return true;
}

void Timer::set(Time due) {
  due_ = std::max(due, queue_.now());
  if (planned_ != kNever && planned_ <= due_) return;
  planned_ = due_;
  ++events_;
  queue_.at(due_, handler_, what_);
}

bool Timer::rang() {
  --events_;
  if (queue_.now() != planned_) return false;  // an event that a shorter alarm has replaced
  planned_ = kNever;
  if (due_ == kNever) return false;
  if (due_ > queue_.now()) {
    set(due_);
    return false;
  }
  due_ = kNever;
  return true;
}

}  // namespace hoptap::forge
