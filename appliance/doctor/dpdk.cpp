#include "appliance/doctor/dpdk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/dpdk/dpdk.h"
#include "capture/dpdk/host.h"

namespace hoptap::appliance {

Finding dpdk_finding() {
  const std::string version = capture::dpdk_version();
  if (version.empty())
    return {"dpdk", Severity::kNote, "not built into this hoptap; only ports of DPDK need it",
            "for ports of DPDK: install libdpdk-dev, meson setup --reconfigure -Ddpdk=enabled build"};
  const capture::HugePages pages = capture::look_at_hugepages();
  const std::vector<std::string> devices = capture::user_space_devices();
  Finding finding{"dpdk", Severity::kGood,
                  fmt::format("{}; {} MiB of hugepages, {} MiB free; {}", version, pages.total_mib, pages.free_mib,
                              devices.empty() ? "no device was given to it" : fmt::to_string(fmt::join(devices, ", "))),
                  ""};
  if (devices.empty() || pages.free_mib > 0) return finding;
  finding.severity = Severity::kNote;
  finding.text += "; small pages do, but are slower and need an IOMMU";
  finding.fix = "echo 512 > /proc/sys/vm/nr_hugepages";
  return finding;
}

}  // namespace hoptap::appliance
