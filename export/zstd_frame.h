// Bytes to one zstd frame and back. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hoptap::exporting {

/// For batches of columns, which leave little to find: higher levels take far longer and save next to nothing.
inline constexpr int kZstdLevel = 1;

/// One zstd frame with size and checksum.
std::string compress(std::string_view bytes, int level = kZstdLevel);

/// Fails on what is not one whole frame of compress() and on what would take more than `bytes_max`, before it takes
/// memory.
[[nodiscard]] base::Outcome<std::string> decompress(std::string_view bytes, std::size_t bytes_max);

}  // namespace hoptap::exporting
