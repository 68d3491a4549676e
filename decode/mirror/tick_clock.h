// The time that an Arista 7150 means: its frames carry 31 bits of a counter of 350 MHz, and keyframes, which it sends
// about once a second, say which time the counter had. Pure functions and a value of fixed size; SharedTickClock is for
// any thread.
//
// Sources: eos.arista.com, "Timestamping on the 7150 Series"; "Decoding TimeStamping on Arista 7150"
// (ithitman.blogspot.com, 2015); CiscoDevNet/n3550-timestamp-decoder, for the longer keyframe of compatible modes.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/bytes.h"

namespace hoptap::decode {

/// What a frame's stamp is put in: the last field of a keyframe that matters here.
enum class TickPlace : std::uint8_t { kNowhere, kBeforeCheck, kInPlaceOfCheck };

struct Keyframe {
  std::uint64_t ticks = 0;   ///< of the counter, all bits
  std::uint64_t utc_ns = 0;  ///< when it had that value
  std::uint16_t device = 0;  ///< as configured at the switch
  TickPlace place{};
};

/// Ethernet, VLAN tags or none, IPv4 with protocol 253 and the payload of a keyframe: 46 bytes, or 62 with two that
/// tell the skew, which must be 1. Nothing when it is anything else, or cut.
std::optional<Keyframe> read_keyframe(base::Bytes frame);

/// Where a frame's content ends as its IP header has it, padding to Ethernet's least 60 bytes included; nothing when it
/// is not IP or says more than is there.
std::optional<std::size_t> content_bytes(base::Bytes frame);

/// The counter in the four bytes of a stamp: the most significant bit of the last byte is padding. Nothing for all
/// zero, which is no stamp.
std::optional<std::uint32_t> read_ticks(base::Bytes four);

class TickClock {
 public:
  static constexpr std::uint64_t kAgeNs = 10'000'000'000;  ///< a keyframe says nothing of frames farther from it
  static constexpr std::int64_t kJumpNs = 100'000'000;     ///< what a stamp may be off from where the capture has it
  static constexpr std::int64_t kSkewPpm = 500;            ///< what the counter may go wrong, against UTC
  static constexpr std::int64_t kStepNs = 100'000;         ///< and two keyframes may be apart beside that

  /// A keyframe that contradicts the one before counts when the next one confirms it: then the switch's clock was set,
  /// or its counter began anew. One of another device counts when this one's have been away for kAgeNs.
  /// @return false: refused, all stays as it was
  bool take(const Keyframe& keyframe, std::uint64_t captured_ns);

  /// Whether a keyframe is near enough.
  bool is_known(std::uint64_t captured_ns) const;
  /// The time of a stamp in a frame captured then; is_known(). Nothing when it is more than kJumpNs from where the
  /// capture and the last keyframe have it.
  std::optional<std::uint64_t> time_of(std::uint32_t ticks, std::uint64_t captured_ns) const;

  TickPlace place() const { return anchor_.keyframe.place; }

 private:
  struct Anchor {
    Keyframe keyframe;
    std::uint64_t captured_ns = 0;
  };
  void learn(const Anchor& next);

  bool has_anchor_ = false, has_doubted_ = false;
  Anchor anchor_;
  Anchor doubted_;         ///< the last that was refused
  std::int64_t skew_ = 0;  ///< of UTC against the counter at 350 MHz, in 2^-32
};

/// One for all workers of a feed, for keyframes come to one of them.
class SharedTickClock {
 public:
  bool take(const Keyframe& keyframe, std::uint64_t captured_ns) {
    const std::lock_guard lock(mutex_);
    version_.fetch_add(1, std::memory_order_release);
    return clock_.take(keyframe, captured_ns);
  }
  /// Another one than before: clock() may say something else.
  std::uint32_t version() const { return version_.load(std::memory_order_acquire); }
  TickClock clock() const {
    const std::lock_guard lock(mutex_);
    return clock_;
  }

 private:
  std::atomic<std::uint32_t> version_ = 0;
  mutable std::mutex mutex_;  ///< over what follows
  TickClock clock_;
};

}  // namespace hoptap::decode
