// Traces, verdicts and sketches to bytes and back, exactly: for hoptap's own database (docs/formats/store.md), not for
// the wire. Decoding checks every index, so that what comes out can be drawn whatever the bytes were. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/sketch.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"

namespace hoptap::exporting {

/// A trace with what was found about it; owns both.
struct JudgedTrace {
  linker::Trace trace;
  linker::Judgement judgement;
};

/// Each appends to `out`, beginning with a byte that tells the version of the encoding.
void encode(const linker::Trace& trace, const linker::Judgement& judgement, std::vector<std::uint8_t>& out);
void encode(const linker::RunVerdict& verdict, std::vector<std::uint8_t>& out);
void encode(const base::Sketch& sketch, std::vector<std::uint8_t>& out);

/// Each takes all of `bytes`. kBadVersion: written by another version of hoptap; kTruncated, kBadLength: damaged.
[[nodiscard]] base::Result<JudgedTrace> decode_trace(base::Bytes bytes);
[[nodiscard]] base::Result<linker::RunVerdict> decode_run_verdict(base::Bytes bytes);
[[nodiscard]] base::Result<base::Sketch> decode_sketch(base::Bytes bytes);

}  // namespace hoptap::exporting
