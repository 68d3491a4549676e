#include "decode/mirror/tick_clock.h"

#include <gtest/gtest.h>

#include "decode/mirror/stamp_formats.h"
#include "decode/mirror/switch_stamps.h"
#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::Writer;

constexpr std::uint64_t kSecond = 1'000'000'000, kTicksPerSecond = 350'000'000;
constexpr std::int64_t kSignedSecond = 1'000'000'000;
// The worked example of "Decoding TimeStamping on Arista 7150".
constexpr std::uint64_t kUtc = 1'387'240'828'522'243'471, kTicks = 2'136'278'506;
constexpr std::uint32_t kRawStamp = 0xff10ab76;

Buffer keyframe(std::uint64_t ticks, std::uint64_t utc_ns, std::uint8_t place = 1, std::uint16_t device = 5,
                bool has_skew = false) {
  Writer payload;
  payload.u64(ticks).u64(utc_ns).u64(utc_ns - kSecond);
  if (has_skew) payload.u64(1).u64(1);
  payload.u64(ticks).u64(0).u16(device).u16(44).u8(place).u8(0);
  return test::ethernet({}, test::ipv4({.protocol = 253}, payload.take()));
}

std::uint32_t raw_of(std::uint64_t ticks) {
  const auto low = static_cast<std::uint32_t>(ticks & 0x7fffffff);
  return (low >> 7) << 8 | (low & 0x7f);
}

/// A frame that is so long, with a stamp behind it.
Buffer stamped(std::uint32_t raw, std::size_t behind = 0, std::size_t payload_bytes = 40) {
  const Buffer payload = Writer().fill(payload_bytes, 'x').take();
  Buffer frame = test::ethernet({}, test::ipv4({}, test::tcp({}, payload)));
  if (frame.size() < 60) frame.resize(60);
  return Writer().add(frame).u32(raw).fill(behind, 0xee).take();
}

/// A feed of such frames: the time that each has then.
struct Feed {
  SwitchStamps stamps{StampSource::kArista7150};

  std::uint64_t take(const Buffer& frame, std::uint64_t captured_ns, std::uint32_t wire_bytes = 0) {
    test::OneDecoded one = test::decode_one(frame);
    one.decoded.time_ns = captured_ns;
    const capture::Packet packet = test::packet_of(frame, captured_ns, wire_bytes);
    stamps.apply(std::span(&packet, 1), std::span(&one.decoded, 1));
    stamps.note_points(std::span(&one.decoded, 1));
    return one.decoded.time_ns;
  }
  const StampCounts& counts() const { return stamps.counts(); }
};

TEST(TickClock, TheWorkedExample) {
  EXPECT_EQ(read_ticks(Writer().u32(kRawStamp).take()), 2'139'641'334u);
  Feed feed;
  feed.take(keyframe(kTicks, kUtc), kUtc + 3000);
  // 3,362,828 ticks at exactly 350 MHz; the example takes them to be 2.857 ns: 480 ns less.
  const std::uint64_t time_ns = feed.take(stamped(kRawStamp), kUtc + 9'700'000);
  EXPECT_EQ(time_ns, kUtc + 9'608'080);
  EXPECT_NEAR(static_cast<double>(time_ns - kUtc), 9'607'599.6, 481);
  EXPECT_EQ(feed.counts().taken, 1u);
  EXPECT_EQ(feed.counts().keyframes, 1u);
  ASSERT_EQ(feed.stamps.points().size(), 1u);
  EXPECT_EQ(feed.stamps.points()[0].taken, 1u);
  EXPECT_EQ(feed.stamps.points()[0].kept, 0u);  // the keyframe is none of the network's packets
  EXPECT_EQ(feed.stamps.points()[0].unit_ns, 3u);
}

TEST(TickClock, KeyframesOfBothLengthsAndNothingElse) {
  for (const bool has_skew : {false, true}) {
    const auto read = read_keyframe(keyframe(kTicks, kUtc, 2, 77, has_skew));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->ticks, kTicks);
    EXPECT_EQ(read->utc_ns, kUtc);
    EXPECT_EQ(read->device, 77);
    EXPECT_EQ(read->place, TickPlace::kInPlaceOfCheck);
    Buffer cut = keyframe(kTicks, kUtc, 2, 77, has_skew);
    while (!cut.empty()) {
      cut.pop_back();
      EXPECT_FALSE(read_keyframe(cut).has_value()) << cut.size();
    }
  }
  EXPECT_FALSE(read_keyframe(keyframe(kTicks, kUtc, 3)).has_value());
  Buffer udp = keyframe(kTicks, kUtc);
  udp[14 + 9] = 17;
  EXPECT_FALSE(read_keyframe(udp).has_value());
  Buffer skewed = keyframe(kTicks, kUtc, 1, 5, true);
  skewed[14 + 20 + 31] = 2;
  EXPECT_FALSE(read_keyframe(skewed).has_value());
}

TEST(TickClock, StampsLieBehindTheFrameWithAndWithoutItsCheck) {
  for (const std::size_t check : {std::size_t{0}, std::size_t{4}}) {
    Feed feed;
    feed.take(keyframe(kTicks, kUtc), kUtc);
    EXPECT_EQ(feed.take(stamped(kRawStamp, check), kUtc + 9'700'000), kUtc + 9'608'080) << check;
    // Padded to 60 bytes; and as an ARP request, of which nothing tells the length.
    EXPECT_EQ(feed.take(stamped(kRawStamp, check, 0), kUtc + 9'700'000), kUtc + 9'608'080) << check;
    const Buffer arp =
        Writer().add(test::ethernet({.type = 0x0806}, Writer().fill(46).take())).u32(kRawStamp).fill(check).take();
    EXPECT_EQ(feed.take(arp, kUtc + 9'700'000), kUtc + 9'608'080) << check;
    EXPECT_EQ(feed.counts().taken, 3u);
  }
  Feed replaced;
  replaced.take(keyframe(kTicks, kUtc, 2), kUtc);
  EXPECT_EQ(replaced.take(stamped(kRawStamp), kUtc + 9'700'000), kUtc + 9'608'080);
}

TEST(TickClock, FramesWithoutAStampKeepTheirTime) {
  Feed feed;
  feed.take(keyframe(kTicks, kUtc), kUtc);
  const std::uint64_t captured = kUtc + 9'700'000;
  const Buffer whole = stamped(kRawStamp);
  const auto longer = static_cast<std::uint32_t>(whole.size() + 100);
  EXPECT_EQ(feed.take(whole, captured, longer), captured);                           // cut by the capture
  EXPECT_EQ(feed.take(Buffer(whole.begin(), whole.end() - 4), captured), captured);  // no stamp
  EXPECT_EQ(feed.take(Buffer(whole.begin(), whole.end() - 1), captured), captured);  // half of one
  EXPECT_EQ(feed.take(stamped(0), captured), captured);                              // an empty one
  EXPECT_EQ(feed.take(Buffer(3, 0xff), captured), captured);
  EXPECT_EQ(feed.counts().absent, 5u);
  feed.take(keyframe(kTicks + kTicksPerSecond, kUtc + kSecond, 0), kUtc + kSecond);  // switched off
  EXPECT_EQ(feed.take(stamped(raw_of(kTicks + kTicksPerSecond)), kUtc + kSecond), kUtc + kSecond);
  EXPECT_EQ(feed.counts().absent, 6u);
}

TEST(TickClock, BeforeAKeyframeAndLongBehindItTheCaptureCounts) {
  Feed feed;
  EXPECT_EQ(feed.take(stamped(kRawStamp), kUtc), kUtc);
  feed.take(keyframe(kTicks, kUtc), kUtc);
  const auto at = [](std::uint64_t after_ns) { return stamped(raw_of(kTicks + after_ns * 7 / 20)); };
  EXPECT_EQ(feed.take(at(9 * kSecond), kUtc + 9 * kSecond + 700), kUtc + 9 * kSecond);  // it has wrapped
  EXPECT_EQ(feed.take(at(11 * kSecond), kUtc + 11 * kSecond + 700), kUtc + 11 * kSecond + 700);
  EXPECT_EQ(feed.counts().unanchored, 2u);
  EXPECT_EQ(feed.counts().taken, 1u);
}

TEST(TickClock, TheCounterWrapsAndFramesMayComeBeforeTheirKeyframe) {
  for (const std::uint64_t ticks : {std::uint64_t{0}, std::uint64_t{0x7fffffff}, std::uint64_t{0x80000000},
                                    std::uint64_t{5} << 31, UINT64_MAX - 5}) {
    Feed feed;
    feed.take(keyframe(ticks, kUtc), kUtc);
    for (std::int64_t after_ns = -9'000'000'000; after_ns <= 9'000'000'000; after_ns += 123'456'780) {
      const std::uint64_t ticks_then = ticks + static_cast<std::uint64_t>(after_ns / 20 * 7);
      if ((ticks_then & 0x7fffffff) == 0) continue;  // all zero is no stamp
      const std::uint64_t then = kUtc + static_cast<std::uint64_t>(after_ns);
      for (const std::uint64_t late_ns : {0u, 1000u, 90'000'000u})
        EXPECT_EQ(feed.take(stamped(raw_of(ticks_then)), then + late_ns), then) << after_ns;
    }
  }
}

TEST(TickClock, AStampFarFromTheCaptureIsRefused) {
  Feed feed;
  feed.take(keyframe(kTicks, kUtc), kUtc);
  const std::uint64_t captured = kUtc + kSecond;
  for (const std::int64_t off_ms : {-3000, -500, -101, 101, 500, 3000}) {
    const auto ticks = kTicks + static_cast<std::uint64_t>(350'000 * (1000 + off_ms));
    EXPECT_EQ(feed.take(stamped(raw_of(ticks)), captured), captured) << off_ms;
  }
  EXPECT_EQ(feed.counts().implausible, 6u);
}

TEST(TickClock, SkewIsLearntFromTwoKeyframes) {
  for (const std::int64_t ppm : {-400, -80, 0, 33, 400}) {
    const auto ticks_after = [ppm](std::int64_t ns) {
      return kTicks + static_cast<std::uint64_t>(ns * 7 / 20 + ns * 7 / 20 * ppm / 1'000'000);
    };
    Feed feed;
    std::uint64_t now = kUtc;
    for (int n = 0; n < 20; ++n, now += kSecond)
      feed.take(keyframe(ticks_after(static_cast<std::int64_t>(now - kUtc)), now), now);
    EXPECT_EQ(feed.counts().refused_keyframes, 0u);
    const std::uint64_t then = now - 7;
    const std::uint32_t raw = raw_of(ticks_after(static_cast<std::int64_t>(then - kUtc)));
    EXPECT_NEAR(static_cast<double>(feed.take(stamped(raw), then)), static_cast<double>(then), 256) << ppm;
    EXPECT_LE(feed.take(stamped(raw), then) - then + 12, 24u) << ppm;
  }
}

TEST(TickClock, AKeyframeThatContradictsCountsWhenTheNextConfirmsIt) {
  TickClock clock;
  const auto tell = [&clock](std::uint64_t second, std::int64_t off_ns, std::uint16_t device = 5) {
    const std::uint64_t at = kUtc + second * kSecond;
    return clock.take({.ticks = kTicks + second * kTicksPerSecond,
                       .utc_ns = at + static_cast<std::uint64_t>(off_ns),
                       .device = device,
                       .place = TickPlace::kBeforeCheck},
                      at);
  };
  EXPECT_TRUE(tell(0, 0));
  EXPECT_TRUE(tell(1, 90'000));      // a clock that is slewed
  EXPECT_FALSE(tell(2, 5'000'000));  // a lie
  EXPECT_TRUE(tell(3, 0));
  EXPECT_FALSE(tell(4, -60 * kSignedSecond));  // another
  EXPECT_FALSE(tell(5, 60 * kSignedSecond));
  EXPECT_TRUE(tell(6, 0));
  EXPECT_FALSE(tell(7, 2 * kSignedSecond));  // the clock was set
  EXPECT_TRUE(tell(8, 2 * kSignedSecond));
  EXPECT_EQ(clock.time_of(static_cast<std::uint32_t>((kTicks + 8 * kTicksPerSecond) & 0x7fffffff), kUtc + 8 * kSecond),
            kUtc + 10 * kSecond);
  EXPECT_FALSE(tell(9, 7200 * kSignedSecond));   // no clock that is set
  EXPECT_FALSE(tell(10, 7200 * kSignedSecond));  // and nothing confirms that
  EXPECT_FALSE(tell(11, 2 * kSignedSecond, 6));  // another switch, while this one speaks
  EXPECT_FALSE(tell(12, 2 * kSignedSecond, 6));
  EXPECT_TRUE(tell(13, 2 * kSignedSecond));
  EXPECT_TRUE(tell(24, 2 * kSignedSecond, 6));  // and no longer
  EXPECT_TRUE(clock.take({.ticks = 5, .utc_ns = kUtc + 40 * kSecond, .device = 6, .place = TickPlace::kBeforeCheck},
                         kUtc + 40 * kSecond));  // begun anew, after a pause
}

TEST(TickClock, OddKeyframesDoNoHarm) {
  for (const std::uint64_t ticks : {std::uint64_t{0}, kTicks, UINT64_MAX, std::uint64_t{1} << 63}) {
    for (const std::uint64_t utc : {std::uint64_t{0}, kUtc, UINT64_MAX, std::uint64_t{1} << 63}) {
      for (const std::uint64_t captured : {std::uint64_t{0}, kUtc, UINT64_MAX}) {
        Feed feed;
        feed.take(keyframe(kTicks, kUtc), kUtc);
        feed.take(keyframe(ticks, utc), captured);
        feed.take(keyframe(ticks + 1, utc), captured);
        const std::uint64_t time_ns = feed.take(stamped(kRawStamp), captured);
        EXPECT_LE(std::min(time_ns - captured, captured - time_ns), kStampFarNs + TickClock::kJumpNs);
      }
    }
  }
}

TEST(TickClock, KeyframesFarApartTeachNoSkew) {
  constexpr std::uint64_t kLate = std::uint64_t{1} << 63;  // times beyond any difference that fits
  Feed feed;
  feed.take(keyframe(kTicks, 1), 1);
  feed.take(keyframe(kTicks - 5'000'000'000, kLate), kLate);
  EXPECT_EQ(feed.counts().keyframes, 2u);
  EXPECT_EQ(feed.take(stamped(raw_of(kTicks - 5'000'000'000 + kTicksPerSecond)), kLate + kSecond), kLate + kSecond);
}

TEST(TickClock, WorkersOfAFeedShareIt) {
  const auto shared = std::make_shared<SharedTickClock>();
  Feed one{SwitchStamps(StampSource::kArista7150, shared)}, other{SwitchStamps(StampSource::kArista7150, shared)};
  one.take(keyframe(kTicks, kUtc), kUtc);
  EXPECT_EQ(other.take(stamped(kRawStamp), kUtc + 9'700'000), kUtc + 9'608'080);
}

}  // namespace
}  // namespace hoptap::decode
