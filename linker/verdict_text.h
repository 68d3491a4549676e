// Verdicts in words.
#pragma once

#include <cstdint>
#include <string>

#include "linker/run_verdict.h"
#include "linker/verdict.h"

namespace hoptap::linker {

/// "0 ms", "0.112 ms", "31.2 ms", "2.50 s".
std::string duration_text(std::int64_t time_ns);

/// The sentence on one trace; needs all of `judgement` but its text.
std::string trace_text(const Trace& trace, const Judgement& judgement);

/// The sentence on the run; needs all of `verdict` but its text.
std::string run_text(const RunVerdict& verdict);

}  // namespace hoptap::linker
