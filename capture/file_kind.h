// Tells by a file's first bytes what it is. Private to capture/.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace hoptap::capture {

enum class FileKind : std::uint8_t { kPcap, kPcapng, kGzip, kZstd, kOther };

/// How many bytes are enough to tell; a shorter file is looked at as it is.
inline constexpr std::size_t kKindBytes = 24;

FileKind file_kind(base::Bytes first);

/// What a file of FileKind::kOther is, as the end of a sentence that begins with its name: "is a zip
/// archive: unpack it first".
std::string what_else(base::Bytes first);

}  // namespace hoptap::capture
