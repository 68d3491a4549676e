#include "appliance/exit_code.h"

#include <fmt/format.h>

#include <exception>

namespace hoptap::appliance {

int fail(int code, const std::string& what) {
  fmt::print(stderr, "hoptap: {}\n", what);
  return code;
}

int run_main(const char* program, int (*run)(int, char**), int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return kCannotWrite;
  }
}

}  // namespace hoptap::appliance
