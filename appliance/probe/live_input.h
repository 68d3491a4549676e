// What a probe listens at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance/points.h"
#include "appliance/replay.h"
#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::appliance {

/// Of a probe, since it began: each is a point, and there are mirrored ones beside.
inline constexpr std::size_t kInterfacesMax = 512;

/// How packets come in.
enum class CaptureWay : std::uint8_t {
  kRing,
  kLibpcap,
  kEbpf,  ///< only heads of packets, at less cost to the host's programs
  kDpdk,  ///< LiveInput::capture.interface is a port of DPDK
};

/// An interface to listen at, and the point that it is.
struct LiveInput {
  LiveInput() { capture.is_promiscuous = true; }

  capture::LiveConfig capture;
  PointHint point;
  FeedConfig feed;
  CaptureWay way = CaptureWay::kRing;
  std::optional<std::uint32_t> head_bytes;  ///< kEbpf: HeadTapConfig's; none: as messages need them, 0 without messages
  std::size_t interfaces_max = 64;          ///< at once, where it stands for many (interface_pattern.h)
  std::size_t workers = 1;                  ///< threads, each with a ring of its own; the kernel shares out by flow
};

/// Reads "INTERFACE[=NAME[:ROLE[:ORDER]]]", the value of --interface.
[[nodiscard]] base::Outcome<LiveInput> read_interface(const std::string& text);

/// "eth0", "pod-a/eth0" (in the network namespace /run/netns/pod-a), "/proc/42/ns/net/eth0", or "dpdk:0000:03:00.0" (a
/// port of DPDK). The point is named so when it has no name yet.
void set_interface(const std::string& where, LiveInput& input);

/// The filter, and not what the probe itself sends to its tracer (HOST:PORT): seeing that would make more of it.
std::string filter_without_export(const std::string& filter, const std::string& tracer);

/// For hashes whose input others choose; not 0.
std::uint64_t secret_seed();

}  // namespace hoptap::appliance
