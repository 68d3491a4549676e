// What the command line says, shared by the commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance/progress.h"
#include "appliance/replay.h"

namespace hoptap::appliance {

/// Options of every command that reads captures.
struct CaptureOptions {
  std::vector<std::string> files;
  std::string filter;
  std::vector<std::uint16_t> vxlan_ports;  ///< beside 4789 and 8472
  std::string time = "packet";             ///< whose stamps: stamp_sources()
  std::string progress = "auto";           ///< auto, always, never

  /// Fails when the filter is no tcpdump expression.
  [[nodiscard]] base::Outcome<void> check() const;
  ReplayConfig replay_config() const;
  Progress::When progress_when() const;
};

struct PathOptions {
  CaptureOptions captures;
  std::vector<std::string> points;  ///< FILE=NAME:ROLE[:ORDER]
  bool json = false;
  bool ascii = false;
  std::string colour = "auto";          ///< auto, always, never
  std::string trace;                    ///< id of the trace to draw; "": the one that shows the verdict best
  double window_s = 0;                  ///< a verdict for each stretch of so many seconds; 0: for the run only
  std::size_t pending_records_max = 0;  ///< 0: the linker's default
};

struct ForgeOptions {
  std::string scenario;               ///< a file
  std::string out;                    ///< a folder
  std::optional<std::uint64_t> seed;  ///< instead of the scenario's
  bool example = false;               ///< print one and do nothing else
  std::string progress = "auto";      ///< auto, always, never
};

/// Each runs one command and returns an ExitCode. Results go to standard output, all else to standard error.
int run_path(const PathOptions& options);
int run_records(const CaptureOptions& options);
int run_forge(const ForgeOptions& options);

}  // namespace hoptap::appliance
