#include "tests/dpdk/devices.h"

#include <rte_dev.h>

namespace hoptap::test {

std::string make_device(const std::string& driver, const std::string& arguments) {
  static int number = 0;
  const std::string name = driver + std::to_string(number++);
  return ::rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) == 0 ? name : "";
}

}  // namespace hoptap::test
