#include "capture/dpdk/eal_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "capture/dpdk/host.h"

namespace hoptap::capture {
namespace {

/// Is one of these options among the words: "-l", "-l0", "--huge-dir", "--huge-dir=/mnt"?
bool has(const std::vector<std::string>& words, std::initializer_list<std::string_view> options) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
      if (!option.starts_with("--")) return word.starts_with(option) && !word.starts_with("--");
      return word == option || word.starts_with(std::string(option) + "=");
    });
  });
}

}  // namespace

std::uint32_t dpdk_memory_mib(const DpdkConfig& config, std::span<const DpdkPort> ports) {
  constexpr std::uint32_t kOwnMib = 64, kQueueMib = 16;
  std::size_t queues = 0;
  for (const DpdkPort& port : ports) queues += port.queues;
  return config.memory_mib.value_or(kOwnMib + kQueueMib * static_cast<std::uint32_t>(queues));
}

std::vector<std::string> eal_arguments(const DpdkConfig& config, std::span<const DpdkPort> ports, const EalHost& host) {
  const std::vector<std::string>& asked = config.eal;
  std::vector<std::string> words{"hoptap"};
  const std::uint32_t memory_mib = dpdk_memory_mib(config, ports);
  if (!has(asked, {"--telemetry", "--no-telemetry"})) words.emplace_back("--no-telemetry");
  if (!has(asked, {"-l", "-c", "--lcores"})) words.push_back(fmt::format("-l{}", host.cpu));
  if (!has(asked, {"--log-level"})) words.emplace_back("--log-level=error");
  const bool has_memory = has(asked, {"--no-huge", "--in-memory", "--huge-dir", "--legacy-mem", "--socket-mem"});
  const bool takes_hugepages = !has_memory && host.free_hugepages_mib >= memory_mib;
  if (!has_memory) words.emplace_back(takes_hugepages ? "--in-memory" : "--no-huge");
  // Nothing is shared with other processes, so that probes do not get in each other's way.
  if (!takes_hugepages && !has(asked, {"--in-memory", "--no-shconf", "--proc-type"})) words.emplace_back("--no-shconf");
  if (has_memory && !has(asked, {"--in-memory", "--no-huge", "--file-prefix"}))
    words.insert(words.end(), {"--huge-unlink", fmt::format("--file-prefix=hoptap-{}", host.process)});
  if (!has(asked, {"-m", "--socket-mem"})) words.push_back(fmt::format("-m{}", memory_mib));
  if (!has(asked, {"-a", "--allow", "-b", "--block", "--no-pci"})) {
    bool any = false;
    for (const DpdkPort& port : ports) {
      if (!is_pci_address(port.name)) continue;
      words.insert(words.end(), {"-a", port.name});
      any = true;
    }
    if (!any) words.emplace_back("--no-pci");
  }
  words.insert(words.end(), asked.begin(), asked.end());
  return words;
}

}  // namespace hoptap::capture
