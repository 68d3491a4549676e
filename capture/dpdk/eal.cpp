#include <fmt/format.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <string_view>
#include <utility>

#include "capture/dpdk/dpdk.h"
#include "capture/dpdk/eal_arguments.h"
#include "capture/dpdk/eal_log.h"
#include "capture/dpdk/host.h"

namespace hoptap::capture {
namespace {

/// DPDK pins the thread that starts it to a core; here it is one that does other things too.
class KeptAffinity {
 public:
  KeptAffinity() { has_ = ::sched_getaffinity(0, sizeof(cpus_), &cpus_) == 0; }
  ~KeptAffinity() {
    if (has_) ::sched_setaffinity(0, sizeof(cpus_), &cpus_);
  }
  KeptAffinity(const KeptAffinity&) = delete;
  KeptAffinity& operator=(const KeptAffinity&) = delete;

  unsigned first_cpu() const {
    for (unsigned cpu = 0; has_ && cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &cpus_)) return cpu;
    return 0;
  }

 private:
  cpu_set_t cpus_{};
  bool has_ = false;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string remedy(const std::vector<std::string>& words, const HugePages& pages, std::uint32_t memory_mib) {
  const bool wants_pages = std::find(words.begin(), words.end(), "--no-huge") == words.end();
  if (!wants_pages || pages.free_mib >= memory_mib) return "";
  return fmt::format(
      "; {} MiB of hugepages are free, {} are wanted: `echo {} > /proc/sys/vm/nr_hugepages` (of 2 MiB), or --no-huge",
      pages.free_mib, memory_mib, pages.total_mib / 2 + memory_mib / 2);
}

bool is_running = false;

struct Errand {
  const std::function<base::Outcome<void>()>& work;
  std::promise<base::Outcome<void>> done;
};

}  // namespace

base::Outcome<void> try_dpdk(const std::string&) { return {}; }

std::string dpdk_version() {
  constexpr std::string_view kName = "DPDK ";
  const std::string_view version = ::rte_version();
  return std::string(version.starts_with(kName) ? version.substr(kName.size()) : version);
}

base::Outcome<void> start_dpdk(const DpdkConfig& config, std::span<const DpdkPort> ports) {
  static bool started = false;  // whether it succeeded or not: it cannot be begun anew
  if (std::exchange(started, true))
    return tl::unexpected(base::Failure{.what = "DPDK was started before: once in a process is all it can"});
  const KeptAffinity affinity;
  const HugePages pages = look_at_hugepages();
  // DPDK keeps pointers to its arguments, and shuffles them.
  static std::vector<std::string> words;
  words = eal_arguments(
      config, ports,
      {.free_hugepages_mib = pages.free_mib, .cpu = affinity.first_cpu(), .process = static_cast<long>(::getpid())});
  const std::string said = joined(words);
  static std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  take_dpdk_log();
  is_running = ::rte_eal_init(static_cast<int>(words.size()), arguments.data()) >= 0;
  if (is_running) return {};
  const std::string why = dpdk_log();
  return tl::unexpected(base::Failure{.what = fmt::format("DPDK did not start: {} (its arguments: {}){}",
                                                          why.empty() ? ::rte_strerror(rte_errno) : why, said,
                                                          remedy(config.eal, pages, dpdk_memory_mib(config, ports)))});
}

/// Alarms go off in that thread.
base::Outcome<void> in_dpdk_thread(const std::function<base::Outcome<void>()>& work) {
  if (!is_running) return {};
  Errand errand{work, {}};
  const auto run = [](void* argument) {
    auto& one = *static_cast<Errand*>(argument);
    one.done.set_value(one.work());
  };
  if (const int code = ::rte_eal_alarm_set(1, run, &errand); code != 0)
    return tl::unexpected(base::Failure{.what = fmt::format("DPDK's thread: {}", ::rte_strerror(-code))});
  return errand.done.get_future().get();
}

}  // namespace hoptap::capture
