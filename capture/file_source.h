// Opens capture files: pcap (us and ns, both byte orders) and pcapng, plain, gzip or zstd, or "-".
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "capture/source.h"

namespace hoptap::capture {

/// Opens `path` ("-": standard input) and reads its header. The kind of file is told by its first
/// bytes, never by its name. Fails with one line that names what the file is instead.
[[nodiscard]] base::Outcome<std::unique_ptr<Source>> open_file(const std::string& path);

}  // namespace hoptap::capture
