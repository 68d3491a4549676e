#include "decode/mirror/switch_stamps.h"

#include <gtest/gtest.h>

#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::Writer;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kSeconds = 1'700'000'000, kRest = 123'456'789;
constexpr std::uint64_t kStamp = kSeconds * kSecond + kRest;

Buffer inner() { return test::ipv4({}, test::tcp({}, test::text("GET / HTTP/1.1\r\n"))); }
Buffer frame() { return test::ethernet({}, inner()); }

/// The time of the packet after its stamp was looked for, and what became of that.
struct Looked {
  std::uint64_t time_ns;
  StampCounts counts;
};
Looked look(StampSource source, const Buffer& packet, std::uint64_t captured_ns = kStamp + 2000,
            std::uint32_t wire_bytes = 0) {
  test::OneDecoded one = test::decode_one(packet);
  one.decoded.time_ns = captured_ns;
  const capture::Packet whole = test::packet_of(packet, captured_ns, wire_bytes);
  SwitchStamps stamps(source);
  stamps.apply(std::span(&whole, 1), std::span(&one.decoded, 1));
  return {one.decoded.time_ns, stamps.counts()};
}

Buffer arista(std::uint16_t version, const Buffer& stamp, const std::vector<test::VlanTag>& vlans = {}) {
  const Buffer header = Writer().u16(1).u16(version).add(stamp).u16(0x0800).add(inner()).take();
  return test::ethernet({.vlans = vlans, .type = 0xd28b}, header);
}
Buffer with_trailer(const Buffer& trailer) { return Writer().add(frame()).add(trailer).take(); }
Buffer metamako(std::uint64_t seconds, std::uint64_t rest_ns) {
  return with_trailer(Writer().u32(0xabcd).u32(seconds).u32(rest_ns).u8(1).u16(9).u8(3).take());
}

TEST(SwitchStamps, AristaHeadersOfBothLengthsAndScales) {
  const Buffer wide = Writer().u32(kSeconds).u32(kRest).take(),
               wide_tai = Writer().u32(kSeconds + 37).u32(kRest).take();
  const Buffer narrow = Writer().u16(kSeconds & 0xffff).u32(kRest).take();
  const Buffer narrow_tai = Writer().u16((kSeconds + 37) & 0xffff).u32(kRest).take();
  for (const Buffer& packet : {arista(0x0110, wide), arista(0x0010, wide_tai), arista(0x0111, wide, {{.id = 5}}),
                               arista(0x0110, wide, {{.id = 5, .type = 0x88a8}}),
                               arista(0x0120, narrow, {{.id = 5, .type = 0x88a8}, {.id = 6}}),
                               arista(0x0010, wide_tai, {{.id = 5, .type = 0x9100}, {.id = 6}}), arista(0x0120, narrow),
                               arista(0x0020, narrow_tai)}) {
    EXPECT_EQ(look(StampSource::kArista, packet).time_ns, kStamp);
    const test::OneDecoded one = test::decode_one(packet);  // and what follows is read, whoever's time it is
    EXPECT_EQ(one->outcome, Outcome::kTcp);
    EXPECT_EQ(one->source.port, 40000);
  }
  EXPECT_EQ(test::decode_one(arista(0x0030, wide)).decoded.outcome, Outcome::kNotIp);
  EXPECT_EQ(look(StampSource::kArista, arista(0x0030, wide)).counts.absent, 1u);
}

TEST(SwitchStamps, ShortSecondsAreThoseNearestTheCapture) {
  for (const std::int64_t off : {-20'000, -1, 0, 1, 20'000}) {
    for (const std::uint64_t seconds : {std::uint64_t{0x10000} * 25'000 - 1, std::uint64_t{0x10000} * 25'000}) {
      const Buffer packet = arista(0x0120, Writer().u16(seconds & 0xffff).u32(5).take());
      const std::uint64_t captured = seconds * kSecond + static_cast<std::uint64_t>(off * 100'000'000);
      const Looked found = look(StampSource::kArista, packet, captured);
      EXPECT_EQ(found.time_ns, seconds * kSecond + 5) << off;
    }
  }
}

TEST(SwitchStamps, MetamakoTrailersWithAndWithoutTheCheckSequence) {
  const Buffer bare = metamako(kSeconds, kRest);
  EXPECT_EQ(look(StampSource::kMetamako, bare).time_ns, kStamp);
  EXPECT_EQ(look(StampSource::kMetamako, Writer().add(bare).u32(0xdeadbeef).take()).time_ns, kStamp);
  // A frame that was cut ends elsewhere.
  const auto longer = static_cast<std::uint32_t>(bare.size() + 10);
  EXPECT_EQ(look(StampSource::kMetamako, bare, kStamp, longer).counts.absent, 1u);
  EXPECT_EQ(look(StampSource::kMetamako, frame()).counts.absent, 1u);
  EXPECT_EQ(look(StampSource::kMetamako, metamako(kSeconds, kSecond)).counts.absent, 1u);
}

TEST(SwitchStamps, CiscoTrailersByTheirMark) {
  const auto trailer = [](std::uint16_t mark, std::uint64_t seconds) {
    return with_trailer(Writer().u16(mark).u32(0).u48(seconds).u32(kRest).u16(0).take());
  };
  EXPECT_EQ(look(StampSource::kCiscoIe, trailer(0x9d8d, kSeconds)).time_ns, kStamp);
  EXPECT_EQ(look(StampSource::kCiscoIe, trailer(0x9d8d, kSeconds + 37)).time_ns, kStamp);
  EXPECT_EQ(look(StampSource::kCiscoIe, trailer(0x9d8e, kSeconds)).counts.absent, 1u);
  EXPECT_EQ(look(StampSource::kCiscoIe, trailer(0x9d8d, kSeconds - 7200)).counts.implausible, 1u);
}

TEST(SwitchStamps, CiscoHighPrecisionTrailersWithAndWithoutTheCheckSequence) {
  const auto trailer = [](std::uint64_t seconds, std::uint64_t parts) {
    return with_trailer(Writer().u32(0xabcd).u8(32).u8(46).u32(seconds).u8(parts >> 32).u32(parts).u8(0).take());
  };
  constexpr std::uint64_t kParts = (kRest << 34) / kSecond << 6 | 63;  // of 2^-40 s
  for (const std::uint64_t seconds : {kSeconds, kSeconds + 37}) {
    const Buffer bare = trailer(seconds, kParts);
    EXPECT_EQ(look(StampSource::kCiscoHpt, bare).time_ns, kStamp);
    EXPECT_EQ(look(StampSource::kCiscoHpt, Writer().add(bare).u32(0xdeadbeef).take()).time_ns, kStamp);
  }
  // What Cisco's guide shows of its decoder: 2022/09/06-11:59:50.509047248389, device 32, port 46.
  constexpr std::uint64_t kShown = 1'662'465'590, kShownParts = 559'703'368'692;
  EXPECT_EQ(look(StampSource::kCiscoHpt, trailer(kShown, kShownParts), kShown * kSecond).time_ns,
            kShown * kSecond + 509'047'248);
  const Buffer whole = trailer(kSeconds, (std::uint64_t{1} << 40) - 1);
  EXPECT_EQ(look(StampSource::kCiscoHpt, whole).time_ns, kSeconds * kSecond + kSecond - 1);
  const auto longer = static_cast<std::uint32_t>(whole.size() + 10);
  EXPECT_EQ(look(StampSource::kCiscoHpt, whole, kStamp, longer).counts.absent, 1u);
  EXPECT_EQ(look(StampSource::kCiscoHpt, frame()).counts.absent, 1u);
  EXPECT_EQ(look(StampSource::kCiscoHpt, Buffer(15, 1)).counts.absent, 1u);
}

TEST(SwitchStamps, CiscoTimeTagsAreSteppedOver) {
  const auto tagged = [](std::uint16_t type, const Buffer& inside) {
    return test::ethernet({.type = 0x8905}, Writer().u48(0x123456789abc).u16(type).add(inside).take());
  };
  const test::OneDecoded one = test::decode_one(tagged(0x0800, inner()));
  EXPECT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->source.port, 40000);
  EXPECT_EQ(test::decode_one(tagged(0x8100, Writer().u16(5).u16(0x0800).add(inner()).take()))->link.vlans[0], 5);
  EXPECT_EQ(test::decode_one(tagged(0x1234, inner()))->outcome, Outcome::kNotIp);
  EXPECT_EQ(test::decode_one(test::ethernet({.type = 0x8905}, Buffer(7, 8)))->outcome, Outcome::kNotIp);
}

TEST(SwitchStamps, ErspanByUnitAndSubheader) {
  struct Case {
    std::uint8_t granularity;
    std::uint32_t platform;  ///< 0: no subheader
    std::uint32_t high, low;
    std::uint64_t time_ns;  ///< 0: absent
  };
  const auto high = static_cast<std::uint32_t>(kStamp >> 32), low = static_cast<std::uint32_t>(kStamp);
  const std::uint64_t in_100ns = kStamp / 100, in_100us = kStamp / 100'000;
  const Case cases[] = {
      {2, 3, high, low, kStamp},
      {2, 7, high, low, kStamp},
      {2, 5, kSeconds, kRest, kStamp},
      {2, 6, kSeconds + 37, kRest, kStamp},
      {1, 3, static_cast<std::uint32_t>(in_100ns >> 32), static_cast<std::uint32_t>(in_100ns), in_100ns * 100},
      {0, 3, static_cast<std::uint32_t>(in_100us >> 32), static_cast<std::uint32_t>(in_100us), in_100us * 100'000},
      {2, 0, 0, low, 0},
      {3, 3, high, low, 0},
      {2, 1, high, low, 0},
  };
  for (const Case& one : cases) {
    test::Erspan3Fields fields{.timestamp = one.low, .granularity = one.granularity};
    if (one.platform != 0) fields.subheader = std::uint64_t{one.platform << 26} << 32 | one.high;
    const Buffer gre = test::gre({.type = 0x22eb, .sequence = 1}, test::erspan3(fields, frame()));
    const Looked found = look(StampSource::kErspan, test::ethernet({}, test::ipv4({.protocol = 47}, gre)));
    EXPECT_EQ(found.counts.absent, one.time_ns == 0 ? 1u : 0u) << one.platform;
    EXPECT_EQ(found.time_ns, one.time_ns == 0 ? kStamp + 2000 : one.time_ns) << int{one.granularity} << one.platform;
  }
}

TEST(SwitchStamps, LagIsTheMost) {
  SwitchStamps stamps(StampSource::kMetamako);
  EXPECT_EQ(stamps.lag_ns(), 0);
  const Buffer packet = metamako(kSeconds, kRest);
  std::vector<Decoded> decoded(1);
  for (const auto& [later_ns, most_ns] : {std::pair{-500, -500}, {3000, 3000}, {100, 3000}}) {
    const capture::Packet one = test::packet_of(packet, kStamp + static_cast<std::uint64_t>(later_ns));
    stamps.apply(std::span(&one, 1), decoded);
    EXPECT_EQ(stamps.lag_ns(), most_ns);
  }
}

}  // namespace
}  // namespace hoptap::decode
