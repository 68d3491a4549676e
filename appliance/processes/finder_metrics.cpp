#include "appliance/processes/finder_metrics.h"

#include <string_view>

namespace hoptap::appliance {

void write_process_metrics(const ProcessCounters& counters, exporting::MetricsWriter& out) {
  using exporting::FamilyType;
  const auto counter = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
    out.family(name, FamilyType::kCounter, "", help);
    out.sample("_total", "", value);
  };
  const auto gauge = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
    out.family(name, FamilyType::kGauge, "", help);
    out.sample("", "", value);
  };
  out.family("hoptap_probe_process_legs", FamilyType::kCounter, "",
             "Leg records by whether the process at one end or both is known.");
  out.sample("_total", exporting::label_text({{"found", "yes"}}), counters.attributed_legs);
  out.sample("_total", exporting::label_text({{"found", "no"}}), counters.unattributed_legs);
  gauge("hoptap_probe_process_sockets", "Sockets in the table, closed ones that are remembered among them.",
        counters.sockets);
  counter("hoptap_probe_process_evicted_sockets", "Sockets that were forgotten for want of room while they were open.",
          counters.evicted);
  if (counters.by_ebpf)
    counter("hoptap_probe_process_lost_events",
            "Sockets begun or closed that eBPF saw and that found no room in its ring.", counters.lost);
  counter("hoptap_probe_process_scans", "Times that /proc was looked through.", counters.scans);
  out.family("hoptap_probe_process_scan_cpu_seconds", FamilyType::kCounter, "seconds", "CPU time that this took.");
  out.sample("_total", "", exporting::seconds_text(counters.scan_cpu_ns));
  gauge("hoptap_probe_process_unreadable", "Processes at the last look whose sockets may not be seen.",
        counters.unreadable_processes);
}

}  // namespace hoptap::appliance
