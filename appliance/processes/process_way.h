// How a probe finds the processes at the ends of connections, as its configuration says.
#pragma once

#include <cstdint>

namespace hoptap::appliance {

enum class ProcessWay : std::uint8_t {
  kOff,
  kAuto,  ///< by eBPF, or by /proc where that does not work
  kEbpf,
  kProc,
};

}  // namespace hoptap::appliance
