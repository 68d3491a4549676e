// What all live sources check and prepare before they open anything. Private to capture/. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "capture/filter.h"
#include "capture/live/live_source.h"

namespace hoptap::capture {

/// Refuses, in words, what is out of range whatever the interface.
[[nodiscard]] base::Outcome<void> check_config(const LiveConfig& config);

/// Who matches `config.filter`. The kernel takes the VLAN tag out before its filter runs, so an expression with the
/// word vlan is matched by us, once the tag is back. (From Linux 3.14 libpcap can ask the kernel for the tag; not
/// before.)
struct FilterSplit {
  std::string in_kernel;  ///< "": everything
  std::optional<PacketFilter> in_user_space;
};
[[nodiscard]] base::Outcome<FilterSplit> split_filter(const LiveConfig& config);

/// Batches without a match that one poll() reads, before the caller may do something else.
inline constexpr unsigned kFilterRoundsMax = 64;

/// Waits after which a source whose packets never stop asks what became of its interface.
inline constexpr unsigned kBusyWaitsPerLook = 256;

}  // namespace hoptap::capture
