// Who stamped the packets of a point: the capture's clocks, or a switch's where the configuration says so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "capture/live/live_source.h"
#include "decode/mirror/switch_stamps.h"
#include "export/point_stamps.h"

namespace hoptap::appliance {

/// Of an interface that is listened at. `counts`: nothing where the way of capture does not say (libpcap).
/// @param ring_name  what stamps are called that are made as a packet is copied into a ring
std::vector<exporting::PointStamp> capture_stamps(const std::optional<capture::StampCounts>& counts,
                                                  std::string_view ring_name);

/// What is known of a point's packets.
struct StampedPoint {
  decode::StampSource source = decode::StampSource::kPacket;  ///< of its feed
  std::span<const decode::PointStamps> switches;              ///< of its feed, of all workers
  std::uint16_t number = 0;                                   ///< Decoded::interface_id
  bool is_interface = false;                                  ///< else a mirror in one
  std::uint64_t packets = 0;                                  ///< its own; 0: none or not known
};

/// @param of_capture  of the interface by which the point's packets come in, with numbers of packets
std::vector<exporting::PointStamp> stamps_of_point(const StampedPoint& point,
                                                   std::vector<exporting::PointStamp> of_capture);

/// Of several workers of one feed.
void merge_stamps(std::vector<decode::PointStamps>& sum, std::span<const decode::PointStamps> more);

}  // namespace hoptap::appliance
