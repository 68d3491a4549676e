#include "decode/mirror/stamp_formats.h"

#include <algorithm>

#include "decode/link.h"

namespace hoptap::decode {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kTaiNs = 37 * kSecondNs;  // ahead of UTC, since 2017 (IERS Bulletin C)

/// IEEE 1588 counts in TAI; switches that are set by NTP count in UTC. The capture's time tells which.
std::uint64_t without_tai(std::uint64_t stamp_ns, std::uint64_t captured_ns) {
  const bool is_tai = stamp_ns > kTaiNs && apart(stamp_ns - kTaiNs, captured_ns) < apart(stamp_ns, captured_ns);
  return is_tai ? stamp_ns - kTaiNs : stamp_ns;
}

std::optional<std::uint64_t> time_of(std::uint64_t seconds, std::uint64_t rest_ns) {
  if (rest_ns >= kSecondNs || seconds > UINT32_MAX) return std::nullopt;
  return seconds * kSecondNs + rest_ns;
}

}  // namespace

std::uint32_t unit_ns(Granularity granularity) {
  switch (granularity) {
    case Granularity::kHundredMicroseconds: return 100'000;
    case Granularity::kHundredNanoseconds: return 100;
    case Granularity::kNanoseconds: return 1;
    case Granularity::kUser: break;  // nobody says what
  }
  return 0;
}

std::optional<std::uint64_t> erspan_stamp(const Mirror& mirror, std::uint64_t captured_ns) {
  const std::uint64_t unit = unit_ns(mirror.granularity);
  if (mirror.type != 3 || !mirror.timestamp_wide || unit == 0) return std::nullopt;
  if (mirror.has_seconds) {
    const auto stamp = time_of(mirror.timestamp_high, mirror.timestamp * unit);
    return stamp ? std::optional(without_tai(*stamp, captured_ns)) : std::nullopt;
  }
  const std::uint64_t count = std::uint64_t{mirror.timestamp_high} << 32 | mirror.timestamp;
  if (count > UINT64_MAX / unit) return std::nullopt;
  return without_tai(count * unit, captured_ns);
}

std::size_t network_at(base::Bytes frame, std::uint16_t& type) {
  constexpr std::size_t kTypeAt = 12, kTagBytes = 4;
  std::size_t at = kTypeAt;
  while (at + kTagBytes + 2 <= frame.size() && is_vlan_type(base::load_be(frame.subspan(at, 2)))) at += kTagBytes;
  if (at + 2 > frame.size()) return 0;
  type = static_cast<std::uint16_t>(base::load_be(frame.subspan(at, 2)));
  return at + 2;
}

/// 48 bits have the lower 16 of the seconds only.
std::optional<std::uint64_t> arista_stamp(base::Bytes frame, std::uint64_t captured_ns) {
  constexpr std::size_t kShortBytes = 12;
  std::uint16_t type = 0;
  const std::size_t at = network_at(frame, type);
  if (at == 0 || type != ether_type::kAristaStamp) return std::nullopt;
  const base::Bytes header = frame.subspan(at);
  const std::size_t bytes = arista_stamp_bytes(header);
  if (bytes == 0 || header.size() < bytes) return std::nullopt;
  const bool is_utc = header[2] != 0;
  const std::uint64_t ahead_ns = is_utc ? 0 : kTaiNs;
  if (bytes != kShortBytes) {
    const auto stamp = time_of(base::load_be(header.subspan(4, 4)), base::load_be(header.subspan(8, 4)));
    return stamp ? std::optional(*stamp - std::min(ahead_ns, *stamp)) : std::nullopt;
  }
  constexpr std::uint64_t kSpan = 0x10000;
  const std::uint64_t low = base::load_be(header.subspan(4, 2)), captured = (captured_ns + ahead_ns) / kSecondNs;
  std::uint64_t seconds = captured / kSpan * kSpan + low;
  if (seconds > captured + kSpan / 2 && seconds >= kSpan) seconds -= kSpan;
  if (seconds + kSpan / 2 < captured) seconds += kSpan;
  const auto stamp = time_of(seconds, base::load_be(header.subspan(6, 4)));
  return stamp ? std::optional(*stamp - std::min(ahead_ns, *stamp)) : std::nullopt;
}

/// The last 12 bytes: seconds, nanoseconds, flags, device, port; with or without a frame check sequence behind.
std::optional<std::uint64_t> metamako_stamp(base::Bytes frame, std::uint64_t captured_ns) {
  constexpr std::size_t kBytes = 12, kCheckBytes = 4;
  for (const std::size_t behind : {std::size_t{0}, kCheckBytes}) {
    if (frame.size() < kBytes + behind) break;
    const base::Bytes trailer = frame.subspan(frame.size() - kBytes - behind, kBytes);
    const auto stamp = time_of(base::load_be(trailer.first(4)), base::load_be(trailer.subspan(4, 4)));
    if (stamp && apart(*stamp, captured_ns) <= kStampFarNs) return stamp;
  }
  return std::nullopt;
}

/// The last 18 bytes: 9d8d, 4 bytes of no meaning, 48 bits of seconds, nanoseconds, a check sum; with or without a
/// frame check sequence behind.
std::optional<std::uint64_t> cisco_ie_stamp(base::Bytes frame, std::uint64_t captured_ns) {
  constexpr std::size_t kBytes = 18, kCheckBytes = 4;
  constexpr std::uint64_t kMark = 0x9d8d;
  for (const std::size_t behind : {std::size_t{0}, kCheckBytes}) {
    if (frame.size() < kBytes + behind) break;
    const base::Bytes trailer = frame.subspan(frame.size() - kBytes - behind, kBytes);
    if (base::load_be(trailer.first(2)) != kMark) continue;
    const auto stamp = time_of(base::load_be(trailer.subspan(6, 6)), base::load_be(trailer.subspan(12, 4)));
    if (stamp) return without_tai(*stamp, captured_ns);
  }
  return std::nullopt;
}

/// Behind the frame's own check sequence 16 bytes: device, port, 32 bits of seconds, 40 of parts of a second, flags, a
/// new frame check sequence, which may be gone.
std::optional<std::uint64_t> cisco_hpt_stamp(base::Bytes frame, std::uint64_t captured_ns) {
  constexpr std::size_t kOwnCheckBytes = 4, kBytes = 12, kCheckBytes = 4;
  for (const std::size_t behind : {std::size_t{0}, kCheckBytes}) {
    if (frame.size() < kOwnCheckBytes + kBytes + behind) break;
    const base::Bytes trailer = frame.subspan(frame.size() - kBytes - behind, kBytes);
    const std::uint64_t most = base::load_be(trailer.subspan(6, 4)), rest = trailer[10];  // of 40 bits
    const std::uint64_t rest_ns = (most * kSecondNs + (rest * kSecondNs >> 8)) >> 32;
    const auto stamp = time_of(base::load_be(trailer.subspan(2, 4)), rest_ns);
    if (!stamp) continue;
    const std::uint64_t utc_ns = without_tai(*stamp, captured_ns);
    if (apart(utc_ns, captured_ns) <= kStampFarNs) return utc_ns;
  }
  return std::nullopt;
}

}  // namespace hoptap::decode
