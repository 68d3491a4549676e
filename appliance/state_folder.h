// Where hoptap's daemons keep their data unless they are told.
#pragma once

#include <string>
#include <string_view>

namespace hoptap::appliance {

/// /var/lib/hoptap/NAME for root; else $XDG_STATE_HOME/hoptap/NAME, by default ~/.local/state/hoptap/NAME.
std::string state_folder(std::string_view name);

}  // namespace hoptap::appliance
