#include "appliance/read_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hoptap::appliance {

base::Outcome<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return tl::unexpected(base::Failure{fmt::format("{}: {}", path, errno != 0 ? std::strerror(errno) : "is empty")});
  return text.str();
}

}  // namespace hoptap::appliance
