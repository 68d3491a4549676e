// Why a live source could not be opened, in words that hold the fix. Private to capture/. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hoptap::capture {

[[nodiscard]] base::Failure live_failure(const std::string& interface, std::string_view what);

/// "eth0: cannot bind: Invalid argument": `error` is an errno.
[[nodiscard]] base::Failure system_failure(const std::string& interface, std::string_view doing, int error);

/// Names the capability that is missing (CAP_NET_RAW, CAP_SYS_ADMIN) and how this program gets it.
[[nodiscard]] base::Failure privilege_failure(const std::string& interface, unsigned capability);

[[nodiscard]] base::Failure filter_failure(const std::string& interface, std::string_view filter,
                                           std::string_view complaint);

}  // namespace hoptap::capture
