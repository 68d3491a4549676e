// A part of a trace whose points did not all see the request covers several stretches of the path: segments one after
// the other, and perhaps the server behind them. Which of them held the time? Private to linker/.
#pragma once

#include <cstddef>
#include <vector>

#include "linker/baseline.h"
#include "linker/trace.h"

namespace hoptap::linker {

/// From a stop to the next one; of the server, what it does behind the last stop.
struct Stretch {
  std::size_t stop = 0;  ///< index into Trace::stops
  bool is_server = false;
};

/// What a segment or a part of the server covers, client side first. One for every other part.
std::vector<Stretch> stretches_of(const Trace& trace, const Part& part);

/// What a part usually takes: as learned for it, else the sum of what is learned for its stretches.
Usual usual_of(const Baseline& baseline, const Trace& trace, const Part& part, const std::vector<Stretch>& stretches);

/// Which stretch most likely held `excess_ns`, and how likely: the one that lost copies, else the one that most often
/// is that slow in requests that all its points saw.
struct Likeliest {
  Stretch stretch;
  double probability = 1;
};
Likeliest likeliest_of(const Baseline& baseline, const Trace& trace, const Part& part,
                       const std::vector<Stretch>& stretches, std::int64_t excess_ns);

}  // namespace hoptap::linker
