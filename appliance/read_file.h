// A small file as a string.
#pragma once

#include <string>

#include "base/result.h"

namespace hoptap::appliance {

/// Fails with the file's name and why it cannot be read.
[[nodiscard]] base::Outcome<std::string> read_file(const std::string& path);

}  // namespace hoptap::appliance
