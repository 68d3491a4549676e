#include "appliance/stamps.h"

#include <algorithm>
#include <string>
#include <utility>

#include "appliance/mirrors.h"

namespace hoptap::appliance {

using exporting::PointStamp;

std::vector<PointStamp> capture_stamps(const std::optional<capture::StampCounts>& counts, std::string_view ring_name) {
  if (!counts) return {{.by = "libpcap"}};
  std::vector<PointStamp> stamps;
  const auto add = [&stamps](std::string_view by, std::uint32_t unit_ns, std::uint64_t packets) {
    if (packets > 0) stamps.push_back({.by = std::string(by), .unit_ns = unit_ns, .packets = packets});
  };
  add("nic", 0, counts->nic);  // in ns, but how fine its clock is it does not say
  add("kernel", 1, counts->kernel);
  add(ring_name, 1, counts->ring);
  add("poll", 0, counts->poll);  // one for each batch
  return stamps;
}

std::vector<PointStamp> stamps_of_point(const StampedPoint& point, std::vector<PointStamp> of_capture) {
  std::vector<PointStamp> stamps;
  std::uint64_t kept = point.packets;
  const bool by_switch = point.source != decode::StampSource::kPacket;
  if (by_switch) {
    kept = 0;
    for (const decode::PointStamps& one : point.switches) {
      if (one.point != point.number) continue;
      kept = one.kept;
      if (one.taken > 0)
        stamps.push_back({.by = std::string(stamp_sources()[static_cast<std::size_t>(point.source)]),
                          .unit_ns = one.unit_ns,
                          .packets = one.taken});
    }
  }
  if (kept == 0) return stamps;
  if (of_capture.size() == 1) of_capture.front().packets = kept;
  // In which of an interface's ways a part of its packets was stamped, nobody has counted.
  const bool is_part = by_switch || !point.is_interface;
  if (of_capture.size() > 1 && is_part)
    for (PointStamp& one : of_capture) one.packets = 0;
  stamps.insert(stamps.end(), of_capture.begin(), of_capture.end());
  return stamps;
}

void merge_stamps(std::vector<decode::PointStamps>& sum, std::span<const decode::PointStamps> more) {
  for (const decode::PointStamps& one : more) {
    const auto known = std::find_if(sum.begin(), sum.end(),
                                    [&](const decode::PointStamps& other) { return other.point == one.point; });
    if (known == sum.end()) {
      sum.push_back(one);
      continue;
    }
    known->taken += one.taken;
    known->kept += one.kept;
    known->unit_ns = std::max(known->unit_ns, one.unit_ns);
  }
}

}  // namespace hoptap::appliance
