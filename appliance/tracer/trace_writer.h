// Writes what one round of the engine has found into the store, as far as it differs from what is there. Private to the
// tracer; one thread, one use.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "export/store/store.h"
#include "linker/trace.h"
#include "linker/verdict.h"

namespace hoptap::appliance {

/// An open trace as it is stored.
struct OpenState {
  std::uint64_t digest = 0;  ///< of its encoded bytes
  std::uint64_t gist = 0;    ///< of what a person notices; 0: not known
  std::uint64_t anchor = 0;  ///< of its first hop, to find out what became of the trace
  std::uint64_t round = 0;   ///< that last saw it
  std::uint32_t revision = 0;
};
using OpenTraces = std::unordered_map<std::uint64_t, OpenState>;  ///< by trace id

/// Compares the traces of a round with those stored and writes the differences.
class TraceWriter {
 public:
  static constexpr std::size_t kTracesAtOnce = 512;

  /// @param exact  write every change, not only what a person would notice
  TraceWriter(exporting::Store& store, OpenTraces& open, std::uint64_t round, bool exact)
      : store_(store), open_(open), round_(round), exact_(exact) {}

  /// @param last  the trace becomes final: then every change is written
  [[nodiscard]] base::Outcome<void> take(linker::Trace&& trace, linker::Judgement&& judgement, bool last);

  /// After the last trace: writes the rest and removes those stored that this round did not see.
  [[nodiscard]] base::Outcome<void> finish();

  const std::vector<std::uint64_t>& final_ids() const { return final_ids_; }
  std::uint64_t written() const { return written_; }

 private:
  struct Changed {
    linker::Trace trace;
    linker::Judgement judgement;
    std::vector<std::uint8_t> encoded;
    std::uint32_t revision = 0;
  };
  base::Outcome<void> flush();

  exporting::Store& store_;
  OpenTraces& open_;
  std::uint64_t round_;
  bool exact_;
  std::vector<Changed> changed_;
  std::vector<std::pair<std::uint64_t, OpenState>> states_;       ///< of changed_, once they are stored
  std::vector<std::pair<std::uint64_t, std::uint64_t>> anchors_;  ///< every hop of a new trace: anchor, trace id
  std::unordered_set<std::uint64_t> seen_;
  std::vector<std::uint64_t> final_ids_;
  std::uint64_t written_ = 0;
};

}  // namespace hoptap::appliance
