#include "appliance/exit_code.h"

#include <fmt/format.h>

namespace hoptap::appliance {

int fail(int code, const std::string& what) {
  fmt::print(stderr, "hoptap: {}\n", what);
  return code;
}

}  // namespace hoptap::appliance
