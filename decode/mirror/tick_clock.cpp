#include "decode/mirror/tick_clock.h"

#include <algorithm>

#include "decode/link.h"
#include "decode/mirror/stamp_formats.h"

namespace hoptap::decode {
namespace {

constexpr std::uint32_t kTickBits = 31;
constexpr std::int64_t kTickSpan = std::int64_t{1} << kTickBits;
constexpr std::int64_t kNsPer = 20, kTicksPer = 7;         // 350 MHz
constexpr std::int64_t kFarTicks = std::int64_t{1} << 36;  // 196 s: keyframes farther apart tell nothing
constexpr std::int64_t kTicksToLearn = 35'000'000;         // 100 ms: over less, noise would be taken for skew
constexpr std::int64_t kOne = std::int64_t{1} << 32;       // of skew_
constexpr std::int64_t kSkewMax = kOne / 1'000'000 * TickClock::kSkewPpm;

std::int64_t between(std::uint64_t from, std::uint64_t to) { return static_cast<std::int64_t>(to - from); }

std::int64_t nominal_ns(std::int64_t ticks) { return ticks * kNsPer / kTicksPer; }

/// Whether one clock can have sent both.
bool agree(const Keyframe& one, const Keyframe& other) {
  const std::int64_t ticks = between(one.ticks, other.ticks);
  if (ticks > kFarTicks || ticks < -kFarTicks) return false;
  const std::int64_t expected_ns = nominal_ns(ticks);
  const std::int64_t slack_ns =
      TickClock::kStepNs + (expected_ns < 0 ? -expected_ns : expected_ns) / 1'000'000 * TickClock::kSkewPpm;
  const std::int64_t off_ns = between(one.utc_ns, other.utc_ns) - expected_ns;
  return off_ns <= slack_ns && off_ns >= -slack_ns;
}

}  // namespace

std::optional<Keyframe> read_keyframe(base::Bytes frame) {
  constexpr std::size_t kIpBytesMin = 20, kProtocolAt = 9, kBytes = 46, kSkewBytes = 16;
  constexpr std::uint8_t kProtocol = 253;  // for experiments (RFC 3692)
  std::uint16_t type = 0;
  const std::size_t at = network_at(frame, type);
  if (at == 0 || type != ether_type::kIpv4 || frame.size() < at + kIpBytesMin) return std::nullopt;
  const base::Bytes ip = frame.subspan(at);
  const std::size_t header_bytes = (ip[0] & 0x0fu) * 4u, total_bytes = base::load_be(ip.subspan(2, 2));
  if (ip[0] >> 4 != 4 || ip[kProtocolAt] != kProtocol || header_bytes < kIpBytesMin || total_bytes > ip.size())
    return std::nullopt;
  const bool has_skew = total_bytes == header_bytes + kBytes + kSkewBytes;
  if (!has_skew && total_bytes != header_bytes + kBytes) return std::nullopt;
  base::ByteCursor in(ip.subspan(header_bytes, total_bytes - header_bytes));
  Keyframe keyframe{.ticks = in.u64(), .utc_ns = in.u64(), .device = 0, .place = {}};
  in.take(8);  // when the clock was last set
  if (has_skew && (in.u64() != 1 || in.u64() != 1)) return std::nullopt;
  in.take(16);  // the counter as the keyframe left, and what its port has dropped
  keyframe.device = in.u16();
  in.take(2);  // its port
  const std::uint8_t place = in.u8();
  if (place > static_cast<std::uint8_t>(TickPlace::kInPlaceOfCheck)) return std::nullopt;
  keyframe.place = static_cast<TickPlace>(place);
  return keyframe;
}

std::optional<std::size_t> content_bytes(base::Bytes frame) {
  constexpr std::size_t kLeastBytes = 60, kIpv4BytesMin = 20, kIpv6Bytes = 40;
  std::uint16_t type = 0;
  const std::size_t at = network_at(frame, type);
  if (at == 0) return std::nullopt;
  const base::Bytes ip = frame.subspan(at);
  std::size_t bytes = 0;
  if (type == ether_type::kIpv4 && ip.size() >= kIpv4BytesMin) {
    bytes = base::load_be(ip.subspan(2, 2));
    if (bytes < kIpv4BytesMin) return std::nullopt;
  } else if (type == ether_type::kIpv6 && ip.size() >= kIpv6Bytes) {
    bytes = kIpv6Bytes + base::load_be(ip.subspan(4, 2));
  } else {
    return std::nullopt;
  }
  const std::size_t content = std::max(at + bytes, kLeastBytes);
  return content <= frame.size() ? std::optional(content) : std::nullopt;
}

std::optional<std::uint32_t> read_ticks(base::Bytes four) {
  const auto raw = static_cast<std::uint32_t>(base::load_be(four.first(4)));
  if (raw == 0) return std::nullopt;
  return (raw >> 8) << 7 | (raw & 0x7f);
}

void TickClock::learn(const Anchor& next) {
  const bool is_near = has_anchor_ && apart(anchor_.captured_ns, next.captured_ns) <= kAgeNs;
  if (!is_near || !agree(anchor_.keyframe, next.keyframe)) {
    skew_ = 0;
    return;
  }
  const std::int64_t ticks = between(anchor_.keyframe.ticks, next.keyframe.ticks);
  if (ticks < kTicksToLearn) return;
  const std::int64_t expected_ns = nominal_ns(ticks);
  const std::int64_t off_ns = between(anchor_.keyframe.utc_ns, next.keyframe.utc_ns) - expected_ns;
  skew_ = std::clamp(off_ns * kOne / expected_ns, -kSkewMax, kSkewMax);  // 2^27, what agree() lets pass, times 2^32
}

bool TickClock::take(const Keyframe& keyframe, std::uint64_t captured_ns) {
  if (apart(keyframe.utc_ns, captured_ns) > kStampFarNs) return false;
  const Anchor next{keyframe, captured_ns};
  if (is_known(captured_ns)) {
    if (keyframe.device != anchor_.keyframe.device) return false;
    if (!agree(anchor_.keyframe, keyframe)) {
      const bool is_confirmed =
          has_doubted_ && apart(doubted_.captured_ns, captured_ns) <= kAgeNs && agree(doubted_.keyframe, keyframe);
      has_doubted_ = !is_confirmed;
      doubted_ = next;
      if (!is_confirmed) return false;
    }
  }
  learn(next);
  has_anchor_ = true;
  anchor_ = next;
  return true;
}

bool TickClock::is_known(std::uint64_t captured_ns) const {
  return has_anchor_ && apart(captured_ns, anchor_.captured_ns) <= kAgeNs;
}

/// The counter wraps every 6.1 s: of the values it can mean, the one nearest to what the capture's time makes likely.
std::optional<std::uint64_t> TickClock::time_of(std::uint32_t ticks, std::uint64_t captured_ns) const {
  const std::int64_t passed_ns = between(anchor_.captured_ns, captured_ns);
  const std::int64_t likely = passed_ns * kTicksPer / kNsPer;
  const std::int64_t counted =
      static_cast<std::int64_t>(ticks) - static_cast<std::int64_t>(anchor_.keyframe.ticks & (kTickSpan - 1));
  std::int64_t off = (counted - likely) & (kTickSpan - 1);
  if (off >= kTickSpan / 2) off -= kTickSpan;
  const std::int64_t even_ns = nominal_ns(likely + off);
  const std::int64_t elapsed_ns = even_ns + even_ns * skew_ / kOne;  // 2^34 times 2^21
  if (elapsed_ns - passed_ns > kJumpNs || passed_ns - elapsed_ns > kJumpNs) return std::nullopt;
  return anchor_.keyframe.utc_ns + static_cast<std::uint64_t>(elapsed_ns);
}

}  // namespace hoptap::decode
