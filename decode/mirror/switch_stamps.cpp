#include "decode/mirror/switch_stamps.h"

#include "base/bytes.h"
#include "decode/mirror/stamp_formats.h"

namespace hoptap::decode {
namespace {

constexpr std::uint32_t kNoPacket = UINT32_MAX;  // in place of a unit: the switch's own frame, not one of the network

}  // namespace

void StampCounts::add(const StampCounts& more) {
  taken += more.taken;
  absent += more.absent;
  implausible += more.implausible;
  unanchored += more.unanchored;
  keyframes += more.keyframes;
  refused_keyframes += more.refused_keyframes;
}

SwitchStamps::SwitchStamps(StampSource source, std::shared_ptr<SharedTickClock> ticks)
    : source_(source), shared_ticks_(ticks ? std::move(ticks) : std::make_shared<SharedTickClock>()) {}

void SwitchStamps::apply_all(std::span<const capture::Packet> packets, std::span<Decoded> decoded) {
  units_ns_.resize(packets.size());
  for (std::size_t at = 0; at < packets.size(); ++at)
    units_ns_[at] = source_ == StampSource::kArista7150 ? apply_ticks(packets[at], decoded[at])
                                                        : apply_one(packets[at], decoded[at]);
}

std::optional<SwitchStamps::Stamp> SwitchStamps::stamp_of(const capture::Packet& packet, const Mirror& mirror) const {
  const bool is_whole = packet.bytes.size() >= packet.wire_bytes;
  const auto of = [](std::optional<std::uint64_t> time_ns, std::uint32_t unit) {
    return time_ns ? std::optional(Stamp{*time_ns, unit}) : std::nullopt;
  };
  switch (source_) {
    case StampSource::kErspan: return of(erspan_stamp(mirror, packet.time_ns), unit_ns(mirror.granularity));
    case StampSource::kArista: return of(arista_stamp(packet.bytes, packet.time_ns), 1);
    case StampSource::kMetamako: return is_whole ? of(metamako_stamp(packet.bytes, packet.time_ns), 1) : std::nullopt;
    case StampSource::kCiscoIe: return is_whole ? of(cisco_ie_stamp(packet.bytes, packet.time_ns), 1) : std::nullopt;
    case StampSource::kCiscoHpt: return is_whole ? of(cisco_hpt_stamp(packet.bytes, packet.time_ns), 1) : std::nullopt;
    case StampSource::kPacket:
    case StampSource::kArista7150: break;
  }
  return std::nullopt;
}

/// @return the stamp's unit; 0: the packet keeps the capture's time
std::uint32_t SwitchStamps::apply_one(const capture::Packet& packet, Decoded& decoded) {
  const std::optional<Stamp> stamp = stamp_of(packet, decoded.mirror);
  if (!stamp) {
    ++counts_.absent;
    return 0;
  }
  if (apart(stamp->time_ns, packet.time_ns) > kStampFarNs) {
    ++counts_.implausible;
    return 0;
  }
  ++counts_.taken;
  decoded.time_ns = stamp->time_ns;
  note_lag(static_cast<std::int64_t>(packet.time_ns - stamp->time_ns), packet.time_ns);
  return stamp->unit_ns;
}

/// As apply_one(), of a counter that keyframes give a meaning; kNoPacket: it is one of these.
std::uint32_t SwitchStamps::apply_ticks(const capture::Packet& packet, Decoded& decoded) {
  constexpr std::uint32_t kTickNs = 3;  // 2.857
  if (const auto keyframe = read_keyframe(packet.bytes)) {
    ++(shared_ticks_->take(*keyframe, packet.time_ns) ? counts_.keyframes : counts_.refused_keyframes);
    return kNoPacket;
  }
  if (ticks_version_ != shared_ticks_->version()) {
    ticks_version_ = shared_ticks_->version();
    ticks_ = shared_ticks_->clock();
  }
  if (!ticks_.is_known(packet.time_ns)) {
    ++counts_.unanchored;
    return 0;
  }
  const bool is_whole = packet.bytes.size() >= packet.wire_bytes;
  const std::optional<std::uint32_t> ticks = is_whole ? ticks_of(packet.bytes) : std::nullopt;
  if (!ticks) {
    ++counts_.absent;
    return 0;
  }
  const std::optional<std::uint64_t> time_ns = ticks_.time_of(*ticks, packet.time_ns);
  if (!time_ns) {
    ++counts_.implausible;
    return 0;
  }
  ++counts_.taken;
  decoded.time_ns = *time_ns;
  note_lag(static_cast<std::int64_t>(packet.time_ns - *time_ns), packet.time_ns);
  return kTickNs;
}

/// Four bytes behind what the frame holds, or eight with a frame check sequence that the capture kept. A frame that was
/// padded otherwise, or is not IP, has them where the last one had that showed it.
std::optional<std::uint32_t> SwitchStamps::ticks_of(base::Bytes frame) {
  constexpr std::size_t kTickBytes = 4, kCheckBytes = 4;
  if (ticks_.place() == TickPlace::kNowhere) return std::nullopt;
  if (const std::optional<std::size_t> content = content_bytes(frame)) {
    const std::size_t behind = frame.size() - *content;
    if (behind < kTickBytes) return std::nullopt;
    if (behind == kTickBytes || behind == kTickBytes + kCheckBytes) has_check_behind_ = behind > kTickBytes;
  }
  const bool has_check = has_check_behind_ && ticks_.place() == TickPlace::kBeforeCheck;
  const std::size_t from_end = kTickBytes + (has_check ? kCheckBytes : 0);
  return frame.size() < from_end ? std::nullopt : read_ticks(frame.last(from_end).first(kTickBytes));
}

void SwitchStamps::note_all_points(std::span<const Decoded> decoded) {
  for (std::size_t at = 0; at < decoded.size(); ++at) {
    if (units_ns_[at] == kNoPacket) continue;
    const std::uint16_t point = decoded[at].interface_id;
    if (last_point_ >= points_.size() || points_[last_point_].point != point) {
      const auto known =
          std::find_if(points_.begin(), points_.end(), [point](const PointStamps& one) { return one.point == point; });
      last_point_ = static_cast<std::size_t>(known - points_.begin());
      if (known == points_.end()) points_.push_back({.point = point});
    }
    PointStamps& stamps = points_[last_point_];
    ++(units_ns_[at] > 0 ? stamps.taken : stamps.kept);
    stamps.unit_ns = std::max(stamps.unit_ns, units_ns_[at]);
  }
}

/// Forgets what was long ago: a switch's clock is set, and then it is right.
void SwitchStamps::note_lag(std::int64_t lag_ns, std::uint64_t captured_ns) {
  constexpr std::uint64_t kStretchNs = 10'000'000'000;
  if (captured_ns < lag_until_ns_) {
    lag_ns_ = std::max(*lag_ns_, lag_ns);
    return;
  }
  lag_before_ns_ = lag_ns_.value_or(INT64_MIN);
  lag_ns_ = lag_ns;
  lag_until_ns_ = captured_ns + kStretchNs;
}

}  // namespace hoptap::decode
