// Names observation points after the files and interfaces they come from, or as the person says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "linker/point.h"

namespace hoptap::appliance {

/// What the person said of a file with --point FILE=NAME[:ROLE[:ORDER]].
struct PointHint {
  std::string name;
  std::string role;                    ///< empty: guessed from the name
  std::optional<std::uint32_t> order;  ///< lower is nearer the client
};

/// Reads "FILE=NAME[:ROLE[:ORDER]]".
[[nodiscard]] base::Outcome<std::pair<std::string, PointHint>> read_point_hint(const std::string& text);

/// A name for each file: its stem without leading digits, with as much of its folder as it takes to
/// keep the names apart ("node-a/eth0"). Names that stay equal get "#2", "#3".
std::vector<std::string> names_of_files(const std::vector<std::string>& paths);

/// pod, node, host, switch, gateway or unknown, by words in the name.
std::string role_of_name(const std::string& name);

}  // namespace hoptap::appliance
