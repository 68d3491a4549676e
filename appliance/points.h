// Names observation points after the files and interfaces they come from, or as the person says.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "capture/packet.h"
#include "linker/point.h"

namespace hoptap::appliance {

/// What the person said of a file with FILE=NAME[:ROLE[:ORDER]].
struct PointHint {
  std::string name;
  std::string role;                    ///< empty: guessed from the name
  std::optional<std::uint32_t> order;  ///< lower is nearer the client
};

/// Reads "FILE=NAME[:ROLE[:ORDER]]", the value of `option`. `form`: how it is to be written, for the person.
[[nodiscard]] base::Outcome<std::pair<std::string, PointHint>> read_point_hint(
    std::string_view option, const std::string& text,
    std::string_view form = "FILE=NAME:ROLE, for example eth0.pcap=node-7:node");

/// "pod, node, host, switch, gateway, unknown"; empty `role` is none of them.
bool is_role(std::string_view role);
std::string roles_text();

/// The point of one of a capture's interfaces: the capture's name, with the interface behind it when there are several.
std::string name_of_interface(const std::string& capture, std::span<const capture::Interface> interfaces,
                              std::size_t index);

/// A name for each file: its stem without leading digits, with as much of its folder as it takes to
/// keep the names apart ("node-a/eth0"). Names that stay equal get "#2", "#3".
std::vector<std::string> names_of_files(const std::vector<std::string>& paths);

/// pod, node, host, switch, gateway or unknown, by words in the name.
std::string role_of_name(const std::string& name);

}  // namespace hoptap::appliance
