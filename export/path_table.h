// Times by path: how long requests take over each path and where. Mergeable and bounded. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/sketch.h"
#include "linker/trace.h"

namespace hoptap::exporting {

/// One line of a path's table.
struct PartTimes {
  linker::PartKind kind{};
  std::string from;  ///< point
  std::string to;
  base::Sketch times;
  std::int64_t sum_ns = 0;
  std::uint64_t copies_lost = 0;
};

struct PathTimes {
  std::vector<std::string> points;  ///< timed ones, client first
  std::uint64_t requests = 0;
  base::Sketch response_times;
  std::int64_t sum_ns = 0;       ///< of the response times
  std::vector<PartTimes> parts;  ///< in the order of the path
};

class PathTable {
 public:
  static constexpr std::size_t kPathsMax = 256;

  void add(const linker::Trace& trace);

  /// By requests, most first. Valid until the next add().
  std::vector<const PathTimes*> paths() const;
  std::uint64_t refused() const { return refused_; }  ///< traces left out: kPathsMax reached

 private:
  std::map<std::vector<std::string>, PathTimes> paths_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::exporting
