// hoptap forge: makes captures of a scenario, and the truth about them. One thread; runs apart share nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "appliance/forge/scenario.h"
#include "base/result.h"

namespace hoptap::forge {

struct ForgeResult {
  std::uint64_t requests = 0;
  std::uint64_t captures = 0;
  std::uint64_t records = 0;
};

/// What can go wrong, told apart for the exit code.
struct ForgeFailure {
  bool scenario_is_wrong = false;  ///< else something cannot be written
  std::string what;
};

/// Called now and then with the share of the work that is done.
using ForgeProgress = std::function<void(double)>;

/// Writes FOLDER/captures/*.pcap and FOLDER/truth.jsonl; makes the folders. The same scenario and seed give the same
/// bytes, everywhere. `file` names the scenario in complaints.
[[nodiscard]] tl::expected<ForgeResult, ForgeFailure> run_scenario(const Scenario& scenario, const std::string& file,
                                                                   const std::string& folder, std::uint64_t seed,
                                                                   const ForgeProgress& progress);

}  // namespace hoptap::forge
