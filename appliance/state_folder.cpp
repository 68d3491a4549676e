#include "appliance/state_folder.h"

#include <unistd.h>

#include <cstdlib>

namespace hoptap::appliance {

std::string state_folder(std::string_view name) {
  if (geteuid() == 0) return "/var/lib/hoptap/" + std::string(name);
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = state != nullptr && *state == '/'
                               ? std::string(state)
                               : std::string(home == nullptr ? "." : home) + "/.local/state";
  return base + "/hoptap/" + std::string(name);
}

}  // namespace hoptap::appliance
