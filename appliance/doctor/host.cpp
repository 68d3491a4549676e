#include "appliance/doctor/host.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <pcap/pcap.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>

#include "appliance/doctor/dpdk.h"
#include "appliance/processes/finder.h"
#include "base/capabilities.h"
#include "bpf-optional/head_tap.h"
#include "capture/live/pcap_live.h"
#include "capture/live/ring_source.h"

namespace hoptap::appliance {
namespace {

struct Version {
  int major = 0, minor = 0;
  auto operator<=>(const Version&) const = default;
};

Version kernel_version(const char* release) {
  Version version;
  if (std::sscanf(release, "%d.%d", &version.major, &version.minor) != 2) return {};
  return version;
}

capture::LiveConfig small_on_loopback() {
  capture::LiveConfig config;
  config.interface = "lo";
  config.block_bytes = capture::kBlockBytesMin;
  config.block_count = 2;
  return config;
}

}  // namespace

Finding ebpf_finding() {
  if (const auto tried = bpf::try_programs(); !tried)
    return {"ebpf", Severity::kNote,
            tried.error().what + "; only `capture: ebpf` and `processes: ebpf` need it, a ring and /proc do without",
            ""};
  return {
      "ebpf", Severity::kGood,
      "its programs load: `capture: ebpf` takes less of the host's programs than a ring; workers share by what is in "
      "any tunnel",
      ""};
}

Finding processes_finding() {
  const bool by_ebpf = bpf::try_socket_watch().has_value();
  return {"processes", by_ebpf ? Severity::kGood : Severity::kNote,
          fmt::format("`processes: auto` would name who holds a socket {}",
                      try_processes(ProcessWay::kAuto).value_or("not at all")),
          ""};
}

Finding kernel_finding() {
  utsname name{};
  ::uname(&name);
  const Version version = kernel_version(name.release);
  Finding finding{"kernel", Severity::kGood, fmt::format("Linux {} on {}", name.release, name.machine), ""};
  if (version < Version{3, 2}) {
    finding.severity = Severity::kTrouble;
    finding.text += ": has no ring of TPACKET_V3 (3.2 has)";
    finding.fix = "capture: libpcap for each interface, or capture on another host by a mirror";
  } else if (version < Version{4, 3}) {
    finding.severity = Severity::kNote;
    finding.text += ": rings work; sharing out by a program of ours (4.3) does not";
  } else {
    finding.text += ": rings and fanout programs work";
  }
  return finding;
}

Findings privilege_findings() {
  const std::uint64_t has = base::effective_capabilities();
  const auto finding = [&](unsigned capability, Severity without, const char* what, const std::string& fix) {
    const bool there = (has >> capability & 1) != 0;
    return Finding{"privileges", there ? Severity::kGood : without,
                   fmt::format("{}{}: {}", base::capability_name(capability), there ? "" : " is missing", what),
                   there ? "" : fix};
  };
  return {finding(CAP_NET_RAW, Severity::kTrouble, "to listen at interfaces",
                  fmt::format("run as root, or: setcap {} $(command -v hoptap)", base::setcap_words({}))),
          finding(CAP_SYS_ADMIN, Severity::kNote, "to listen in other network namespaces",
                  "run as root when pods' interfaces are wanted"),
          finding(CAP_NET_ADMIN, Severity::kNote, "for time stamps by the NIC (nic_time: true)", "")};
}

Finding sandbox_finding() {
  // EFAULT: filters are known, this one was not there to be read.
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) == -1 && errno == EFAULT)
    return {"sandbox", Severity::kGood, "the kernel has filters of system calls; a probe allows itself few", ""};
  return {"sandbox", Severity::kNote, "this kernel has no filters of system calls (CONFIG_SECCOMP_FILTER): none", ""};
}

Findings capture_findings() {
  Findings findings;
  const auto tried = [&](const char* topic, const auto& opened, const std::string& good) {
    if (opened) {
      findings.push_back({topic, Severity::kGood, good, ""});
    } else {
      findings.push_back({topic, Severity::kTrouble, opened.error().what, ""});
    }
  };
  tried("ring", capture::open_ring(small_on_loopback()), "AF_PACKET, TPACKET_V3: opens; this is what is used");
  tried("libpcap", capture::open_pcap_live(small_on_loopback()),
        fmt::format("{}: opens; for where a ring does not do (capture: libpcap)", ::pcap_lib_version()));
  findings.push_back(dpdk_finding());
  findings.push_back(ebpf_finding());
  return findings;
}

Finding clock_finding() {
  timex state{};
  const int status = ::adjtimex(&state);
  Finding finding{"clock", Severity::kGood, "", ""};
  if (status == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    finding.severity = Severity::kNote;
    finding.text = "nobody keeps it right (the kernel says: not synchronised)";
    finding.fix =
        "times of a segment do not need it; one-way times and log lines of several hosts do: run chrony or ptp4l";
  } else {
    finding.text = fmt::format("kept right; at most {} us off, as its keeper thinks", state.maxerror);
  }
  return finding;
}

Finding memory_finding() {
  struct sysinfo info {};
  ::sysinfo(&info);
  const std::uint64_t total_mib = std::uint64_t{info.totalram} * info.mem_unit >> 20;
  Finding finding{"memory", Severity::kGood, fmt::format("{} MiB", total_mib), ""};
  constexpr std::uint64_t kComfortableMib = 1024;
  if (total_mib >= kComfortableMib) return finding;
  finding.severity = Severity::kNote;
  finding.text += ": rings (64 MiB each) and flows (up to some 500 MiB) are sized for more";
  finding.fix = "lower ring_mib, flows_max and busy_flows_max";
  return finding;
}

}  // namespace hoptap::appliance
