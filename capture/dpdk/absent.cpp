// What a build without DPDK has in its place.
#include "capture/dpdk/dpdk.h"

namespace hoptap::capture {
namespace {

base::Failure absent(const std::string& port) {
  return {.what = port +
                  ": this program was built without DPDK; hoptap has it when it is built after `apt-get install "
                  "libdpdk-dev` and `meson setup --reconfigure -Ddpdk=enabled build`"};
}

}  // namespace

std::string dpdk_version() { return ""; }

base::Outcome<void> try_dpdk(const std::string& port) { return tl::unexpected(absent("dpdk:" + port)); }

base::Outcome<void> start_dpdk(const DpdkConfig&, std::span<const DpdkPort> ports) {
  return tl::unexpected(absent(ports.empty() ? "dpdk" : "dpdk:" + ports.front().name));
}

base::Outcome<void> in_dpdk_thread(const std::function<base::Outcome<void>()>&) { return {}; }

base::Outcome<std::vector<std::unique_ptr<LiveSource>>> open_dpdk_port(const LiveConfig& config, std::size_t) {
  return tl::unexpected(absent("dpdk:" + config.interface));
}

}  // namespace hoptap::capture
