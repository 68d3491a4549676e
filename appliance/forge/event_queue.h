// The clockwork of the simulation: what happens when, in order. Private to the forge; one thread. Owns no handler: it
// must outlive its events.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "appliance/forge/instant.h"

namespace hoptap::forge {

/// Something that events happen to.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void happen(std::uint64_t what) = 0;
};

/// Events by time; those of one time in the order in which they were planned.
class EventQueue {
 public:
  Time now() const { return now_; }
  /// Plans handler.happen(what); a time that has passed means now.
  void at(Time time, Handler& handler, std::uint64_t what);
  /// Runs the next event; false when there is none.
  bool step();

 private:
  struct Event {
    Time time;
    std::uint64_t order;
    Handler* handler;
    std::uint64_t what;
    bool operator>(const Event& other) const { return time != other.time ? time > other.time : order > other.order; }
  };

  Time now_ = 0;
  std::uint64_t planned_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

/// An alarm that can be moved and stopped at no cost. Fires handler.happen(what); the handler asks rang() first.
class Timer {
 public:
  Timer(EventQueue& queue, Handler& handler, std::uint64_t what) : queue_(queue), handler_(handler), what_(what) {}

  void set(Time due);
  void stop() { due_ = kNever; }
  bool running() const { return due_ != kNever; }
  bool planned() const { return events_ > 0; }  ///< an event is still in the queue, stale or not
  /// Call once from each happen(): true when the alarm is due now. It is then stopped.
  bool rang();

 private:
  static constexpr Time kNever = -1;

  EventQueue& queue_;
  Handler& handler_;
  std::uint64_t what_;
  Time due_ = kNever;
  Time planned_ = kNever;  ///< of the event in the queue that is not stale
  std::uint32_t events_ = 0;
};

}  // namespace hoptap::forge
