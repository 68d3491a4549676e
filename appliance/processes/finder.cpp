#include "appliance/processes/finder.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "appliance/probe/privileges.h"
#include "appliance/probe/sandbox.h"
#include "appliance/processes/container_id.h"
#include "base/capabilities.h"

namespace hoptap::appliance {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kScanSlackNs = 2000 * kNsPerMs;       // a socket is open some time before and after it was seen
constexpr std::uint64_t kScanSlackMaxNs = 30'000 * kNsPerMs;  // where looks are rare
constexpr std::uint64_t kEventSlackNs = kNsPerMs;             // between the clock of packets and that of events
constexpr std::uint64_t kScanCapabilities = std::uint64_t{1} << CAP_SYS_PTRACE | std::uint64_t{1}
                                                                                     << CAP_DAC_READ_SEARCH;

/// In a container without the host's, /proc shows other process ids than the kernel's, and few of them.
bool in_first_pid_namespace() {
  constexpr ino_t kFirst = 0xeffffffc;  // PROC_PID_INIT_INO, include/linux/proc_ns.h
  struct stat about {};
  return ::stat("/proc/self/ns/pid", &about) != 0 || about.st_ino == kFirst;
}

/// What /proc cannot show here; "" when it shows all.
std::string proc_limits() {
  if (!in_first_pid_namespace())
    return "; only of this container's own processes, for the probe is not in the host's pid namespace";
  if ((base::effective_capabilities() & kScanCapabilities) != kScanCapabilities)
    return "; only of this user's own processes, for CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH is missing";
  return "";
}

std::string proc_words() { return "by /proc, of connections that are open for a second or longer" + proc_limits(); }

std::string ebpf_words() {
  const std::string words = "by eBPF, as they connect and accept";
  if (!in_first_pid_namespace()) return words + "; none from before, for the probe is not in the host's pid namespace";
  const std::string limits = proc_limits();
  return words + (limits.empty() ? "" : "; from before by /proc" + limits);
}

base::Failure refused(const base::Failure& why) {
  return {fmt::format("processes: ebpf: {}; 'processes: auto' takes /proc where eBPF does not work", why.what)};
}

std::string fallen_back(const base::Failure& why) { return fmt::format("{} ({})", proc_words(), why.what); }

}  // namespace

base::Outcome<std::string> try_processes(ProcessWay way) {
  if (way == ProcessWay::kOff) return "off";
  if (way == ProcessWay::kProc) return proc_words();
  const auto tried = bpf::try_socket_watch();
  if (tried) return ebpf_words();
  if (way == ProcessWay::kEbpf) return tl::unexpected(refused(tried.error()));
  return fallen_back(tried.error());
}

ProcessFinder::ProcessFinder(bool sandboxed) : sandboxed_(sandboxed), sees_host_(in_first_pid_namespace()) {}

base::Outcome<std::unique_ptr<ProcessFinder>> ProcessFinder::open(ProcessWay way, bool sandboxed) {
  std::unique_ptr<ProcessFinder> finder(new ProcessFinder(sandboxed));
  finder->words_ = proc_words();
  if (way != ProcessWay::kProc) {
    auto watch = bpf::SocketWatch::open();
    if (!watch && way == ProcessWay::kEbpf) return tl::unexpected(refused(watch.error()));
    if (!watch) finder->words_ = fallen_back(watch.error());
    if (watch) finder->watch_ = std::move(*watch);
  }
  if (finder->watch_) {
    finder->words_ = ebpf_words();
    finder->counters_.by_ebpf = true;
    if (finder->sees_host_) finder->scan(true);  // who was connected before
  } else {
    std::promise<base::Outcome<void>> begun;
    auto begins = begun.get_future();
    finder->thread_ = std::thread(&ProcessFinder::run, finder.get(), std::move(begun));
    if (auto kept = begins.get(); !kept) return tl::unexpected(std::move(kept).error());
  }
  return finder;
}

ProcessFinder::~ProcessFinder() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ProcessFinder::start(NamespaceOf namespace_of) {
  namespace_of_ = std::move(namespace_of);
  {
    const std::lock_guard lock(mutex_);
    may_run_ = true;
  }
  changed_.notify_all();
}

/// The thread keeps two capabilities that no other has.
void ProcessFinder::run(std::promise<base::Outcome<void>> begun) {
  auto kept = keep_capabilities(kScanCapabilities);
  const bool may_go_on = kept.has_value();
  begun.set_value(std::move(kept));
  if (!may_go_on) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return may_run_ || is_stopping_; });
  if (sandboxed_ && ::prctl(PR_GET_SECCOMP) == 0 && !enter_sandbox()) return;  // kernels before 3.17
  Pace pace;
  while (!is_stopping_) {
    lock.unlock();
    pace.begin();
    scan(false);
    pace.end();
    lock.lock();
    changed_.wait_until(lock, pace.next(), [this] { return is_stopping_; });
  }
}

void ProcessFinder::scan(bool stay) {
  const std::uint64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  const std::vector<HeldSocket> held = proc_.look();
  const std::uint64_t now_ns = clock_ns(CLOCK_REALTIME);
  const std::uint64_t before_this_ns = std::exchange(scanned_ns_, now_ns);
  const std::uint64_t between_ns = before_this_ns != 0 && before_this_ns < now_ns ? now_ns - before_this_ns : 0;
  const std::uint64_t slack_ns = stay ? now_ns : std::max(kScanSlackNs, 2 * std::min(between_ns, kScanSlackMaxNs));
  const std::lock_guard lock(mutex_);
  for (const HeldSocket& one : held) {
    owners_.put(one.key, {.process = one.process,
                          .from_ns = now_ns - slack_ns,
                          .until_ns = stay ? UINT64_MAX : now_ns + slack_ns,
                          .network_namespace = one.network_namespace,
                          .inode = one.inode,
                          .seen_ns = now_ns});
  }
  counters_.processes = proc_.counts().processes;
  counters_.unreadable_processes = proc_.counts().unreadable;
  counters_.evicted += proc_.counts().left_out;
  ++counters_.scans;
  counters_.scan_cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
}

void ProcessFinder::read() {
  if (!watch_) return;
  const std::lock_guard lock(mutex_);
  watch_->read([this](const bpf::SocketEvent& event) { take(event); });
  std::erase_if(unresolved_, [this](const Unresolved& one) {
    std::optional<std::string> container = cgroups_.container_of(one.event.cgroup);
    if (container) owners_.describe(one.key, one.from_ns, describe(one.event, std::move(*container)));
    return container.has_value();
  });
  counters_.lost = watch_->lost();
}

void ProcessFinder::take(const bpf::SocketEvent& event) {
  constexpr std::size_t kUnresolvedMax = 4096;
  SocketKey key{.local = event.local, .remote = event.remote};
  if (is_loopback(key.local.address)) key.network_namespace = event.network_namespace;
  if (event.is_end) {
    owners_.end(key, event.network_namespace, event.time_ns);
    return;
  }
  const std::uint64_t from_ns = event.time_ns - kEventSlackNs;
  std::optional<std::string> container = cgroups_.container_of(event.cgroup);
  if (!container && unresolved_.size() < kUnresolvedMax) unresolved_.push_back({key, from_ns, event});
  if (container && container->empty() && !cgroups_.is_whole() && sees_host_)
    container = container_of_file(read_proc_file(fmt::format("/proc/{}/cgroup", event.pid)));
  owners_.put(key, {.process = describe(event, container.value_or("")),
                    .from_ns = from_ns,
                    .network_namespace = event.network_namespace});
}

std::shared_ptr<const flowtable::Process> ProcessFinder::describe(const bpf::SocketEvent& event,
                                                                  std::string container) {
  flowtable::Process process{.pid = event.pid, .name = event.command, .container_id = std::move(container)};
  if (!latest_ || *latest_ != process) latest_ = std::make_shared<flowtable::Process>(std::move(process));
  return latest_;
}

std::uint64_t ProcessFinder::namespace_of_point(std::uint32_t point) const {
  const std::string path = namespace_of_(point);
  if (const std::uint64_t inode = namespace_inode(path.empty() ? "/proc/self/ns/net" : path); inode != 0) return inode;
  const auto learned = namespaces_.find(path);
  return learned != namespaces_.end() ? learned->second : 0;
}

template <class Record>
flowtable::Processes ProcessFinder::find(const Record& record, std::uint64_t from_ns, std::uint64_t until_ns) {
  SocketUse use{.from_ns = from_ns, .until_ns = until_ns, .connection = std::nullopt};
  if ((record.flags & flowtable::record_flag::kHandshakeSeen) != 0) use.connection = record.client_isn;
  SocketKey at_client{.transport = record.transport, .local = record.client, .remote = record.server};
  SocketKey at_server{.transport = record.transport, .local = record.server, .remote = record.client};
  if (is_loopback(record.client.address) || is_loopback(record.server.address)) {
    const std::uint64_t inode = namespace_of_point(record.point);
    if (is_loopback(record.client.address)) at_client.network_namespace = inode;
    if (is_loopback(record.server.address)) at_server.network_namespace = inode;
  }
  const std::lock_guard lock(mutex_);
  return {owners_.at(at_client, use), owners_.at(at_server, use)};
}

/// A request that was not answered may be read late, or by nobody: who it waited for held the socket when it came.
void ProcessFinder::attribute(flowtable::HopRecord& hop) {
  const std::uint64_t from_ns = hop.request.seen() ? hop.request.first_ns : hop.response.first_ns;
  const std::uint64_t unanswered_ns = watch_ ? UINT64_MAX : hop.request.last_ns;
  hop.processes = find(hop, from_ns, hop.response.seen() ? hop.response.last_ns : unanswered_ns);
}

void ProcessFinder::attribute(flowtable::LegRecord& leg) {
  leg.processes = find(leg, leg.first_ns, leg.last_ns);
  const std::lock_guard lock(mutex_);
  ++(leg.processes.client || leg.processes.server ? counters_.attributed_legs : counters_.unattributed_legs);
}

ProcessCounters ProcessFinder::counters() const {
  const std::lock_guard lock(mutex_);
  ProcessCounters counters = counters_;
  counters.sockets = owners_.size();
  counters.evicted += owners_.evicted();
  return counters;
}

}  // namespace hoptap::appliance
