// Results of operations: one byte on the data path, a sentence for the person on the control path.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

namespace hoptap::base {

/// Why bytes from the wire could not be used. Always a counted outcome, never a log line.
enum class Error : std::uint8_t { kTruncated, kBadVersion, kBadLength, kUnsupported };

/// Data path: no text, no heap.
template <class T>
using Result = tl::expected<T, Error>;

/// Control path (start-up, configuration, files): what went wrong and what to do about it.
struct Failure {
  std::string what;
};

template <class T>
using Outcome = tl::expected<T, Failure>;

}  // namespace hoptap::base
