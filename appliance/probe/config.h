// The probe's configuration: a YAML file, with defaults for all but what is to be read. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/http/server.h"
#include "appliance/probe/live_input.h"
#include "appliance/probe/replay_points.h"
#include "appliance/processes/process_way.h"
#include "base/result.h"
#include "capture/dpdk/dpdk.h"
#include "export/metrics/windows.h"
#include "export/transport/sender.h"
#include "export/transport/spool.h"
#include "flowtable/config.h"

namespace hoptap::appliance {

inline constexpr double kReplaySpeedMin = 1e-3, kReplaySpeedMax = 1e6;  ///< or 0

struct ProbeConfig {
  exporting::SenderConfig sender;
  std::string spool_folder;  ///< "": a temporary one, gone when all is delivered
  exporting::SpoolLimits spool;
  std::optional<exporting::WhenFull> when_full;  ///< nothing: a replay waits, live capture drops the oldest
  std::size_t batch_records_max = 1000;
  std::vector<ReplayInput> replay;               ///< either these
  double replay_speed = 0;                       ///< times that at which they were captured; 0: as fast as can be
  std::vector<LiveInput> interfaces;             ///< or these
  capture::DpdkConfig dpdk;                      ///< for those of DPDK
  exporting::MetricsConfig metrics;              ///< length_ns 0: none
  std::size_t totals_max = 1000;                 ///< rows of sums for /metrics
  std::optional<HttpServerConfig> metrics_http;  ///< where /metrics is served
  std::string filter;
  bool sandbox = true;  ///< sandbox.h
  ProcessWay processes = ProcessWay::kOff;
  std::uint64_t memory_bytes_max = 0;  ///< memory_ceiling.h; 0: as much as the limits allow
  double cpu_cores_max = 0;            ///< of each thread that listens; 0: no ceiling
  std::size_t records_max = 1u << 15;  ///< that wait at each worker: LiveWorkerConfig::records_max
  std::vector<std::uint16_t> vxlan_ports;
  flowtable::FlowTableConfig
      flows;  ///< of each capture, of each worker at an interface; metrics_interval_ns is metrics.length_ns
};

/// A failure names `file`, the line and what to write instead.
[[nodiscard]] base::Outcome<ProbeConfig> read_probe_config(const std::string& text, std::string_view file);

/// Fails when something is missing or does not fit together, wherever it came from.
[[nodiscard]] base::Outcome<void> check(const ProbeConfig& config);

/// Fails when what it names outside itself cannot be used as it is now: addresses, TLS files. For --check and doctor: a
/// probe that runs waits for them.
[[nodiscard]] base::Outcome<void> check_surroundings(const ProbeConfig& config);

/// Fails when a way to capture cannot work on this host, or not in this build: eBPF, DPDK. Loads programs of eBPF,
/// attaches them to nothing, takes no device; says nothing about the interface.
[[nodiscard]] base::Outcome<void> check_way(const LiveInput& input);

/// check_way() of each interface, and the way to find processes: a probe that starts here would be refused. For --check
/// and doctor.
[[nodiscard]] base::Outcome<void> check_host(const ProbeConfig& config);

/// Fails when the probe would find no interface to listen at, or not one that is named: it is not there, or may not be
/// listened at by this process. Nothing is told of ports of DPDK. For --check; doctor tells of each.
[[nodiscard]] base::Outcome<void> check_interfaces(const ProbeConfig& config);

/// A commented file with every key.
std::string_view example_probe_config();

}  // namespace hoptap::appliance
