// Opens capture files that are not on disk: the seam for tests and fuzzing. Private to capture/.
#pragma once

#include <memory>

#include "base/result.h"
#include "capture/input.h"
#include "capture/source.h"

namespace hoptap::capture {

/// Finds out what the input holds, unpacking it if needed, and reads the header.
[[nodiscard]] base::Outcome<std::unique_ptr<Source>> open_input(std::unique_ptr<Input> input);

/// The same for a whole file in memory, which must outlive the source.
[[nodiscard]] base::Outcome<std::unique_ptr<Source>> open_bytes(base::Bytes file);

}  // namespace hoptap::capture
