// How to draw for whoever reads standard output.
#pragma once

#include <string>

#include "export/text.h"

namespace hoptap::appliance {

/// As wide as the terminal. In colour when `colour` is "always", or "auto" on a terminal where neither $NO_COLOR
/// (https://no-color.org) nor a dumb $TERM forbids it. ASCII when asked for, or where the locale knows no more.
exporting::TextStyle terminal_style(const std::string& colour, bool ascii);

}  // namespace hoptap::appliance
