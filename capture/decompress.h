// gzip and zstd streams as inputs. Private to capture/.
#pragma once

#include <memory>

#include "capture/input.h"

namespace hoptap::capture {

/// The bytes inside `packed`: any number of gzip members, one after another (RFC 1952 section 2.2).
std::unique_ptr<Input> open_gzip(std::unique_ptr<Input> packed);

/// The bytes inside `packed`: any number of zstd frames, one after another (RFC 8878 section 3.1).
std::unique_ptr<Input> open_zstd(std::unique_ptr<Input> packed);

}  // namespace hoptap::capture
