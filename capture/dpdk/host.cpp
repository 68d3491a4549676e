#include "capture/dpdk/host.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace hoptap::capture {
namespace {

namespace fs = std::filesystem;

std::uint64_t number_in(const fs::path& file) {
  std::uint64_t value = 0;
  std::ifstream(file) >> value;
  return value;
}

}  // namespace

HugePages look_at_hugepages(const std::string& sys) {
  HugePages found;
  std::error_code none;
  for (const fs::directory_entry& size : fs::directory_iterator(fs::path(sys) / "kernel/mm/hugepages", none)) {
    constexpr std::string_view kBefore = "hugepages-";  // hugepages-2048kB
    const std::string name = size.path().filename().string();
    if (!name.starts_with(kBefore)) continue;
    const std::uint64_t page_kib = std::strtoull(name.c_str() + kBefore.size(), nullptr, 10);
    found.total_mib += number_in(size.path() / "nr_hugepages") * page_kib / 1024;
    found.free_mib += number_in(size.path() / "free_hugepages") * page_kib / 1024;
  }
  return found;
}

bool is_pci_address(const std::string& name) {
  std::string shape = name;  // digits as d
  std::transform(shape.begin(), shape.end(), shape.begin(),
                 [](unsigned char letter) { return std::isxdigit(letter) != 0 ? 'd' : static_cast<char>(letter); });
  return shape == "dddd:dd:dd.d" || shape == "dd:dd.d";
}

std::vector<std::string> user_space_devices(const std::string& sys) {
  std::vector<std::string> found;
  for (const char* driver : {"vfio-pci", "igb_uio", "uio_pci_generic"}) {
    std::error_code none;
    for (const fs::directory_entry& device : fs::directory_iterator(fs::path(sys) / "bus/pci/drivers" / driver, none))
      if (const std::string name = device.path().filename().string(); is_pci_address(name))
        found.push_back(name + " (" + driver + ")");
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace hoptap::capture
