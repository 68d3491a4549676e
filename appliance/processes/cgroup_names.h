// From the number of a control group (version 2) to the container it is of. Looks through the hierarchy when a number
// is new, at a bounded rate. One thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance/processes/pace.h"

namespace hoptap::appliance {

class CgroupNames {
 public:
  /// @param root  where the hierarchy is mounted; "": where it usually is
  explicit CgroupNames(std::string root = "");

  /// Its container.id, "" in none; nothing: not known yet, ask again later.
  std::optional<std::string> container_of(std::uint64_t cgroup);

  /// False where there is also, or only, version 1: then processes may be in containers that it does not show.
  bool is_whole() const { return is_whole_; }

 private:
  void look(const std::string& folder, const std::string& container, int depth);

  std::string root_;
  bool is_whole_ = true;
  boost::unordered_flat_map<std::uint64_t, std::string> containers_;  ///< as of the last look
  Pace pace_;
};

}  // namespace hoptap::appliance
