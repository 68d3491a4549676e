// Names the processes at the ends of connections that end on this host, in records on their way out. By eBPF a process
// is known from when it connects or accepts; by /proc when its socket is open while a thread of its own looks there.
// Never on the path of packets.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/processes/cgroup_names.h"
#include "appliance/processes/proc_scan.h"
#include "appliance/processes/process_way.h"
#include "appliance/processes/socket_owners.h"
#include "base/result.h"
#include "bpf-optional/socket_watch.h"

namespace hoptap::appliance {

/// Sums since the start but for those that say otherwise.
struct ProcessCounters {
  bool by_ebpf = false;
  std::uint64_t attributed_legs = 0;       ///< leg records with a process at one end or both
  std::uint64_t unattributed_legs = 0;     ///< with none: it ends on other hosts, or nothing is known of its sockets
  std::uint64_t sockets = 0;               ///< in the table, closed ones among them
  std::uint64_t evicted = 0;               ///< sockets that were forgotten for want of room while they were open
  std::uint64_t lost = 0;                  ///< events of eBPF that found no room
  std::uint64_t scans = 0;                 ///< of /proc
  std::uint64_t scan_cpu_ns = 0;           ///< that they took
  std::uint64_t processes = 0;             ///< at the last scan
  std::uint64_t unreadable_processes = 0;  ///< of them, those whose sockets may not be seen
};

class ProcessFinder {
 public:
  /// Which network namespace the point of a record is in: a path, "" the probe's own.
  using NamespaceOf = std::function<std::string(std::uint32_t point)>;

  /// Needs its privileges now: eBPF attaches here, and the thread that reads /proc keeps what it needs (so call it
  /// before others are given up). Fails when kEbpf does not work, in words.
  [[nodiscard]] static base::Outcome<std::unique_ptr<ProcessFinder>> open(ProcessWay way, bool sandboxed);
  ~ProcessFinder();

  /// Begins to read /proc, when that is the way; in the sandbox if there is one by now.
  void start(NamespaceOf namespace_of);

  /// Of a namespace by its path, while privileges to look at it are there; before start().
  void learn_namespace(const std::string& path) { namespaces_[path] = namespace_inode(path); }

  // The thread that gathers records:

  /// What eBPF has seen since. Often, or its ring runs full.
  void read();
  void attribute(flowtable::HopRecord& hop);
  void attribute(flowtable::LegRecord& leg);

  // Any thread:

  ProcessCounters counters() const;
  /// How processes are found, and what keeps it from more; for the person.
  const std::string& words() const { return words_; }

 private:
  struct Unresolved {
    SocketKey key;
    std::uint64_t from_ns;  ///< of its owner
    bpf::SocketEvent event;
  };

  explicit ProcessFinder(bool sandboxed);
  void run(std::promise<base::Outcome<void>> begun);
  void scan(bool stay);
  void take(const bpf::SocketEvent& event);
  std::shared_ptr<const flowtable::Process> describe(const bpf::SocketEvent& event, std::string container);
  std::uint64_t namespace_of_point(std::uint32_t point) const;
  template <class Record>
  flowtable::Processes find(const Record& record, std::uint64_t from_ns, std::uint64_t until_ns);

  bool sandboxed_;
  bool sees_host_;  ///< its process ids are those of the kernel
  std::string words_;
  NamespaceOf namespace_of_;
  std::map<std::string, std::uint64_t> namespaces_;  ///< inodes of those that were learned, by path
  std::unique_ptr<bpf::SocketWatch> watch_;
  CgroupNames cgroups_;
  std::vector<Unresolved> unresolved_;                ///< whose control group is not known yet
  std::shared_ptr<const flowtable::Process> latest_;  ///< made, often the next one's too
  ProcScan proc_;                                     ///< of open(), then of the thread

  std::uint64_t scanned_ns_ = 0;  ///< when /proc was looked through last

  mutable std::mutex mutex_;  ///< over what follows
  SocketOwners owners_;
  ProcessCounters counters_;
  std::condition_variable changed_;
  bool may_run_ = false;
  bool is_stopping_ = false;

  std::thread thread_;
};

/// Whether and how the way would work here, as words() of a finder would say; attaches nothing. A failure: it does not.
[[nodiscard]] base::Outcome<std::string> try_processes(ProcessWay way);

}  // namespace hoptap::appliance
