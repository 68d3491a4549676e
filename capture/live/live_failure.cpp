#include "capture/live/live_failure.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "base/capabilities.h"

namespace hoptap::capture {
namespace {

std::string own_program() {
  std::array<char, 4096> path{};
  const ssize_t bytes = readlink("/proc/self/exe", path.data(), path.size());
  return bytes > 0 ? std::string(path.data(), static_cast<std::size_t>(bytes)) : "PROGRAM";
}

}  // namespace

base::Failure live_failure(const std::string& interface, std::string_view what) {
  return {.what = fmt::format("{}: {}", interface, what)};
}

base::Failure system_failure(const std::string& interface, std::string_view doing, int error) {
  return live_failure(interface, fmt::format("{}: {}", doing, std::generic_category().message(error)));
}

base::Failure privilege_failure(const std::string& interface, unsigned capability) {
  return live_failure(interface,
                      fmt::format("needs {}: run as root or `setcap {} {}`", base::capability_name(capability),
                                  base::setcap_words({capability}), own_program()));
}

base::Failure filter_failure(const std::string& interface, std::string_view filter, std::string_view complaint) {
  return live_failure(interface, fmt::format("filter '{}': {}", filter, complaint));
}

}  // namespace hoptap::capture
