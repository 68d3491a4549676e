#include "appliance/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace hoptap::appliance {

exporting::TextStyle terminal_style(const std::string& colour, bool ascii) {
  exporting::TextStyle style;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.columns = size.ws_col;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const bool plain = !variable("NO_COLOR").empty() || variable("TERM") == "dumb";
  style.colour = colour == "always" || (colour == "auto" && terminal && !plain);
  style.unicode = !ascii && variable("LC_ALL") != "C" && variable("LC_ALL") != "POSIX";
  return style;
}

}  // namespace hoptap::appliance
