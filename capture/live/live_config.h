// What no live source can do. Private to capture/. Any thread.
#pragma once

#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::capture {

/// Refuses, in words, what is out of range whatever the interface.
[[nodiscard]] base::Outcome<void> check_config(const LiveConfig& config);

}  // namespace hoptap::capture
