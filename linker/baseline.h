// What each part of a path usually takes, learned from the very traces under study: a low quantile, which a fault on
// most of the requests does not move. add() every trace, then ask. One thread while adding; then read by many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/sketch.h"
#include "linker/trace.h"

namespace hoptap::linker {

/// The usual time of one part.
struct Usual {
  std::int64_t time_ns = 0;    ///< the 20th percentile: a fault on up to 60 % of the requests leaves it alone
  std::int64_t spread_ns = 0;  ///< as from the 5th to the 20th percentile, at least 10 us
  bool known = false;          ///< false: too few requests to say
};

class Baseline {
 public:
  static constexpr std::size_t kSketchesMax = 16384;
  static constexpr std::uint64_t kRequestsMin = 5;  ///< a part seen less often has no known usual time

  void add(const Trace& trace);

  /// Of a part of this trace. Sending is compared with messages of like size; a wait for a delayed ACK is never usual.
  Usual usual(const Trace& trace, const Part& part) const;

  /// Share of the requests whose segment between two points, or server part at one, took `from_ns` or more, whatever
  /// their path; 0 if unknown.
  double tail_share(PartKind kind, const NodeId& near, const NodeId& far, std::int64_t from_ns) const;

  /// What it usually takes.
  Usual usual_between(PartKind kind, const NodeId& near, const NodeId& far) const;

  std::uint64_t refused() const { return refused_; }  ///< values not learned: kSketchesMax reached

 private:
  struct Key {
    std::uint64_t path = 0;  ///< 0: any path with these two points
    PartKind kind{};
    NodeId from;
    NodeId to;
    std::uint64_t sort = 0;  ///< size class of a message, or hash of what is asked of a server; 0: any
    auto operator<=>(const Key&) const = default;
  };

  static Key exact_key(const Trace& trace, const Part& part);
  static Key loose_key(const Trace& trace, const Part& part);
  const base::Sketch* find(const Key& key) const;
  void learn(const Key& key, std::int64_t value_ns);
  Usual scaled_from_smaller(Key key) const;

  std::map<Key, base::Sketch> sketches_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
