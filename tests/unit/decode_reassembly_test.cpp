#include "decode/ip/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "decode/decoder.h"
#include "tests/unit/packet_builder.h"

namespace hoptap::decode {
namespace {

using test::Buffer;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint16_t kAnyProtocol = 256;

Buffer numbered(std::size_t bytes) {
  Buffer out(bytes);
  for (std::size_t at = 0; at < bytes; ++at) out[at] = static_cast<std::uint8_t>(at * 7 + at / 256);
  return out;
}

/// A datagram's sender: cuts its bytes into fragments.
struct Sender {
  Buffer bytes;
  FragmentKey key{.source = base::IpAddress::from(Buffer{10, 0, 0, 1}),
                  .target = base::IpAddress::from(Buffer{10, 0, 0, 2}),
                  .id = 1,
                  .protocol = 17};

  Fragment part(std::size_t from, std::size_t to, std::uint64_t time_ns = 0) const {
    return {.key = key,
            .offset = static_cast<std::uint32_t>(from),
            .more = to < bytes.size(),
            .protocol = 17,
            .bytes = {.bytes = base::Bytes(bytes).subspan(from, to - from), .wire_bytes = to - from},
            .time_ns = time_ns};
  }
  std::vector<Fragment> parts(std::size_t size) const {
    std::vector<Fragment> all;
    for (std::size_t from = 0; from < bytes.size(); from += size)
      all.push_back(part(from, std::min(from + size, bytes.size())));
    return all;
  }
};

bool same(const Reassembled& whole, const Buffer& bytes) {
  return std::equal(whole.bytes.bytes.begin(), whole.bytes.bytes.end(), bytes.begin(), bytes.end()) &&
         whole.bytes.wire_bytes == bytes.size();
}

/// Every datagram is in exactly one counter, or held.
void expect_all_accounted(const Reassembler& one) {
  const ReassemblyCounters& counters = one.counters();
  const std::uint64_t ended = counters.completed + counters.timed_out + counters.evicted + counters.overlapping +
                              counters.inconsistent + counters.too_many_fragments + counters.no_room;
  EXPECT_GE(counters.datagrams, ended);
  EXPECT_LE(counters.datagrams, ended + one.datagrams_held());
}

TEST(ReassemblerTest, InAnyOrderAndSize) {
  std::mt19937 random(1);
  for (const std::size_t bytes : {16u, 100u, 2048u, 5000u, 65535u}) {
    for (const std::size_t size : {8u, 552u, 1480u, 4096u}) {
      const Sender sender{numbered(bytes)};
      Reassembler one({.fragments_max = 10'000});
      for (int order = 0; order < 3; ++order) {
        std::vector<Fragment> parts = sender.parts(size);
        if (order == 1) std::reverse(parts.begin(), parts.end());
        if (order == 2) std::shuffle(parts.begin(), parts.end(), random);
        for (std::size_t at = 0; at + 1 < parts.size(); ++at) EXPECT_FALSE(one.take(parts[at]));
        const auto whole = one.take(parts.back());
        ASSERT_TRUE(whole) << bytes << " " << size << " " << order;
        EXPECT_TRUE(same(*whole, sender.bytes));
        EXPECT_EQ(one.datagrams_held(), 0u);
        EXPECT_EQ(one.blocks_held(), 0u);
        one.release();
      }
      EXPECT_EQ(one.counters().completed, 3u);
      expect_all_accounted(one);
    }
  }
}

TEST(ReassemblerTest, DatagramsDoNotMix) {
  Sender first{numbered(3000)}, second{Buffer(3000, 'x')}, elsewhere{Buffer(3000, 'y')};
  second.key.id = 2;
  elsewhere.key.place = 9;
  Reassembler one({});
  for (const Sender* sender : {&first, &second, &elsewhere}) EXPECT_FALSE(one.take(sender->part(0, 1480)));
  for (const Sender* sender : {&first, &second, &elsewhere}) {
    const auto whole = one.take(sender->part(1480, 3000));
    ASSERT_TRUE(whole);
    EXPECT_TRUE(same(*whole, sender->bytes));
  }
  EXPECT_EQ(one.counters().datagrams, 3u);
}

TEST(ReassemblerTest, ARepeatChangesNothing) {
  const Sender sender{numbered(3000)};
  Reassembler one({});
  for (int times = 0; times < 3; ++times) EXPECT_FALSE(one.take(sender.part(0, 1480)));
  EXPECT_FALSE(one.take(sender.part(8, 800)));  // part of what is there
  const auto whole = one.take(sender.part(1480, 3000));
  ASSERT_TRUE(whole);
  EXPECT_TRUE(same(*whole, sender.bytes));
  EXPECT_EQ(one.counters().duplicates, 3u);
}

TEST(ReassemblerTest, AnOverlapWithOtherBytesEndsTheDatagram) {
  const Sender sender{numbered(3000)}, other{Buffer(3000, 'x')};
  struct {
    std::size_t from, to;
  } const overlaps[] = {{0, 1480}, {8, 16}, {1472, 1488}, {1400, 2000}};
  for (const auto& overlap : overlaps) {
    Reassembler one({});
    EXPECT_FALSE(one.take(sender.part(0, 1480)));
    EXPECT_FALSE(one.take(other.part(overlap.from, overlap.to)));
    EXPECT_EQ(one.counters().overlapping, 1u);
    EXPECT_EQ(one.blocks_held(), 0u);
    EXPECT_FALSE(one.take(sender.part(1480, 3000)));  // RFC 5722: nor what still comes
    EXPECT_FALSE(one.take(sender.part(0, 1480)));
    EXPECT_EQ(one.counters().late, 2u);
    EXPECT_EQ(one.counters().completed, 0u);
    expect_all_accounted(one);
  }
}

TEST(ReassemblerTest, AnOverlapWithTheSameBytesThatBringsNewOnesEndsItToo) {
  const Sender sender{numbered(3000)};
  Reassembler one({});
  EXPECT_FALSE(one.take(sender.part(0, 1480)));
  EXPECT_FALSE(one.take(sender.part(1400, 2000)));
  EXPECT_EQ(one.counters().overlapping, 1u);
}

TEST(ReassemblerTest, TwoEnds) {
  const Sender sender{numbered(3000)}, shorter{numbered(2000)};
  Reassembler one({});
  EXPECT_FALSE(one.take(sender.part(1480, 3000)));
  EXPECT_FALSE(one.take(shorter.part(800, 2000)));
  EXPECT_EQ(one.counters().inconsistent, 1u);
  Reassembler two({});
  EXPECT_FALSE(two.take(shorter.part(1480, 2000)));
  EXPECT_FALSE(two.take(sender.part(2000, 2800)));  // behind the end
  EXPECT_EQ(two.counters().inconsistent, 1u);
}

TEST(ReassemblerTest, FragmentsThatCannotBe) {
  const Sender sender{numbered(65'535)};
  Reassembler one({});
  Fragment odd = sender.part(0, 100);
  EXPECT_FALSE(one.take(odd));  // more follow, and not in eights
  Fragment empty = sender.part(0, 0);
  EXPECT_FALSE(one.take(empty));
  Fragment beyond = sender.part(0, 1480);
  beyond.offset = 65'528;  // the "ping of death"
  EXPECT_FALSE(one.take(beyond));
  EXPECT_EQ(one.counters().malformed, 3u);
  EXPECT_EQ(one.datagrams_held(), 0u);
}

TEST(ReassemblerTest, TimesOutByPacketTime) {
  const Sender sender{numbered(3000)};
  Sender other = sender;
  other.key.id = 2;
  Reassembler one({.timeout_ns = 30 * kSecond});
  EXPECT_FALSE(one.take(sender.part(0, 1480, 100 * kSecond)));
  EXPECT_FALSE(one.take(other.part(0, 1480, 130 * kSecond)));
  EXPECT_EQ(one.datagrams_held(), 2u);
  EXPECT_FALSE(one.take(sender.part(1480, 3000, 130 * kSecond + 1)));  // a new one now
  EXPECT_EQ(one.counters().timed_out, 1u);
  EXPECT_EQ(one.counters().datagrams, 3u);
  EXPECT_TRUE(one.take(other.part(1480, 3000, 90 * kSecond)));  // an older packet turns nothing back
  expect_all_accounted(one);
}

TEST(ReassemblerTest, CutByTheCapture) {
  const Sender sender{numbered(3000)};
  Reassembler one({});
  Fragment first = sender.part(0, 1480), last = sender.part(1480, 3000);
  first.bytes.bytes = first.bytes.bytes.first(90);
  last.bytes.bytes = last.bytes.bytes.first(90);
  EXPECT_FALSE(one.take(last));
  const auto whole = one.take(first);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->bytes.bytes.size(), 90u);
  EXPECT_EQ(whole->bytes.wire_bytes, 3000u);
  EXPECT_TRUE(std::equal(whole->bytes.bytes.begin(), whole->bytes.bytes.end(), sender.bytes.begin()));
}

TEST(ReassemblerTest, TheFirstFragmentSaysTheProtocol) {
  Sender sender{numbered(3000)};
  sender.key.protocol = kAnyProtocol;
  Reassembler one({});
  Fragment last = sender.part(1480, 3000);
  last.protocol = 6;
  EXPECT_FALSE(one.take(last));
  EXPECT_EQ(one.take(sender.part(0, 1480))->protocol, 17);
}

TEST(ReassemblyFloodTest, OfFirstFragmentsHoldsNoMoreThanItMay) {
  const ReassemblyConfig config{.datagrams_max = 64, .bytes_max = 1 << 20};
  Sender sender{numbered(3000)};
  Reassembler one(config);
  for (std::uint32_t id = 0; id < 10'000; ++id) {
    sender.key.id = id;
    EXPECT_FALSE(one.take(sender.part(0, 1480)));
    ASSERT_LE(one.datagrams_held(), config.datagrams_max);
    ASSERT_LE(one.blocks_held() * Reassembler::kBlockBytes, config.bytes_max);
  }
  EXPECT_EQ(one.counters().datagrams, 10'000u);
  EXPECT_EQ(one.counters().evicted, 10'000u - one.datagrams_held());
  EXPECT_TRUE(one.take(sender.part(1480, 3000)));  // the newest is there
  expect_all_accounted(one);
}

TEST(ReassemblyFloodTest, OfLargeDatagramsHoldsNoMoreBytesThanItMay) {
  const ReassemblyConfig config{.datagrams_max = 10'000, .bytes_max = 256 << 10};
  Sender sender{numbered(65'000)};
  Reassembler one(config);
  for (std::uint32_t id = 0; id < 100; ++id) {
    sender.key.id = id;
    for (std::size_t from = 0; from < 62'000; from += 1480) EXPECT_FALSE(one.take(sender.part(from, from + 1480)));
    ASSERT_LE(one.blocks_held() * Reassembler::kBlockBytes, config.bytes_max);
  }
  EXPECT_GT(one.counters().evicted, 90u);
  expect_all_accounted(one);
}

TEST(ReassemblyFloodTest, OfTinyFragmentsEndsAtTheLimit) {
  const Sender sender{numbered(65'528)};
  Reassembler one({.fragments_max = 256});
  std::vector<Fragment> parts = sender.parts(8);
  std::reverse(parts.begin(), parts.end());
  for (const Fragment& part : parts) EXPECT_FALSE(one.take(part));
  EXPECT_EQ(one.counters().too_many_fragments, 1u);
  EXPECT_EQ(one.counters().late, parts.size() - 257);
  EXPECT_EQ(one.blocks_held(), 0u);
}

TEST(ReassemblyFloodTest, SparseFragmentsTakeABlockEach) {
  const Sender sender{numbered(65'528)};
  Reassembler one({});
  for (std::size_t from = 0; from < 65'000; from += 4096) EXPECT_FALSE(one.take(sender.part(from, from + 8)));
  EXPECT_EQ(one.blocks_held(), 16u);
}

TEST(ReassemblyFloodTest, MoreCompletedInABatchThanThereIsRoomFor) {
  const ReassemblyConfig config{.bytes_max = 64 << 10};
  Sender sender{numbered(60'000)};
  Reassembler one(config);
  int completed = 0;
  for (std::uint32_t id = 0; id < 3; ++id) {
    sender.key.id = id;
    for (const Fragment& part : sender.parts(1480)) completed += one.take(part) ? 1 : 0;
  }
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(one.counters().no_room, 2u);
  one.release();
  for (const Fragment& part : sender.parts(1480)) completed += one.take(part) ? 1 : 0;
  EXPECT_EQ(completed, 2);
  expect_all_accounted(one);
}

// ---- through the decoder ----

constexpr std::uint8_t kUdp = 17, kFragmentHeader = 44;

/// Decodes frames one after the other and keeps the last result.
struct Chain {
  Decoder decoder;
  std::vector<Decoded> decoded;

  explicit Chain(const std::vector<Buffer>& frames) : decoded(frames.size()) {
    std::vector<capture::Packet> packets;
    for (const Buffer& frame : frames) packets.push_back(test::packet_of(frame, 1000 + packets.size()));
    const std::array<capture::Interface, 1> interfaces{};
    decoder.decode(packets, interfaces, decoded);
  }
  const Decoded* operator->() const { return &decoded.back(); }
};

std::vector<Buffer> framed(const std::vector<Buffer>& packets) {
  std::vector<Buffer> frames;
  for (const Buffer& packet : packets) frames.push_back(test::ethernet({}, packet));
  return frames;
}

TEST(FragmentTest, OfUdp) {
  const Buffer datagram = test::udp({}, numbered(4000));
  const std::vector<Buffer> frames = framed(test::ipv4_fragments({.protocol = kUdp, .id = 9}, datagram, {1480, 2960}));
  const Chain chain(frames);
  EXPECT_EQ(chain.decoded[0].outcome, Outcome::kFragment);
  EXPECT_EQ(chain.decoded[0].source.text(), "10.0.0.1:40000");  // whose it is can be seen
  EXPECT_TRUE(chain.decoded[0].payload.empty());
  EXPECT_EQ(chain.decoded[1].outcome, Outcome::kFragment);
  EXPECT_EQ(chain.decoded[1].source.text(), "10.0.0.1:0");
  ASSERT_EQ(chain->outcome, Outcome::kUdp);
  EXPECT_EQ(chain->source.text(), "10.0.0.1:40000");
  EXPECT_EQ(chain->time_ns, 1002u);
  EXPECT_EQ(chain->ip_bytes, 20u + 8 + 4000);
  EXPECT_EQ(chain->payload_wire_bytes, 4000u);
  EXPECT_TRUE(std::equal(chain->payload.begin(), chain->payload.end(), numbered(4000).begin()));
  EXPECT_EQ(chain.decoder.counters()[static_cast<std::size_t>(Outcome::kFragment)], 2u);
  EXPECT_EQ(chain.decoder.reassembly_counters().completed, 1u);
}

TEST(FragmentTest, OfTcpInTinyPieces) {
  const Buffer segment = test::tcp({.options = test::timestamps_option(7, 9)}, test::text("hello"));
  const Chain chain(framed(test::ipv4_fragments({}, segment, {8, 16, 24, 32})));
  ASSERT_EQ(chain->outcome, Outcome::kTcp);
  EXPECT_EQ(chain->tcp.tsval, 7u);
  EXPECT_EQ(base::as_text(chain->payload), "hello");
}

TEST(FragmentTest, OfIpv6) {
  const Buffer datagram = test::extension(kUdp, test::udp({}, numbered(3000)));  // a destination header before UDP
  const auto part = [&](std::uint16_t from, std::size_t to) {
    const Buffer bytes(datagram.begin() + from, datagram.begin() + static_cast<std::ptrdiff_t>(to));
    return test::ipv6({.next_header = 0},
                      test::extension(kFragmentHeader, test::fragment(60, from, to < datagram.size(), bytes)));
  };
  const Chain chain(framed({part(1440, 2880), part(2880, datagram.size()), part(0, 1440)}));
  ASSERT_EQ(chain->outcome, Outcome::kUdp);
  EXPECT_EQ(chain->source.port, 40000);
  EXPECT_EQ(chain->payload.size(), 3000u);
  EXPECT_EQ(chain->ip_bytes, 40u + 8 + 8 + datagram.size());
}

Buffer inner_frame(const Buffer& packet) { return test::ethernet({.source = 0x0a0000000001}, packet); }

TEST(FragmentTest, OfATunnelsOuterPacket) {
  const Buffer inside = inner_frame(test::ipv4({.source = 0x0a010101}, test::tcp({}, numbered(1460))));
  const Buffer datagram = test::udp({.target_port = 4789}, test::vxlan(7, inside));
  const Chain chain(framed(test::ipv4_fragments({.protocol = kUdp}, datagram, {1480})));
  ASSERT_EQ(chain->outcome, Outcome::kTcp);
  EXPECT_EQ(chain->source.text(), "10.1.1.1:40000");
  EXPECT_EQ(chain->payload.size(), 1460u);
  ASSERT_EQ(chain->tunnels.depth, 1);
  EXPECT_EQ(chain->tunnels.layers[0].id, 7u);
  EXPECT_EQ(chain->tunnels.layers[0].source.text(), "10.0.0.1");
}

TEST(FragmentTest, InATunnel) {
  std::vector<Buffer> frames;
  const auto wrap = [](std::uint32_t id, const Buffer& packet) {
    return test::ethernet(
        {}, test::ipv4({.protocol = kUdp}, test::udp({.target_port = 4789}, test::vxlan(id, inner_frame(packet)))));
  };
  const auto parts = test::ipv4_fragments({.source = 0x0a010101}, test::tcp({}, numbered(2000)), {1000});
  const Chain chain({wrap(7, parts[0]), wrap(8, parts[1]), wrap(7, parts[1])});
  EXPECT_EQ(chain.decoded[1].outcome, Outcome::kFragment);  // of another network
  ASSERT_EQ(chain->outcome, Outcome::kTcp);
  EXPECT_EQ(chain->payload.size(), 2000u);
  EXPECT_EQ(chain->tunnels.layers[0].id, 7u);
}

TEST(FragmentTest, OfBothPackets) {
  const auto inner_parts = test::ipv4_fragments({.source = 0x0a010101}, test::tcp({}, numbered(2000)), {1200});
  std::vector<Buffer> frames;
  for (std::uint16_t id = 0; id < 2; ++id) {
    const Buffer datagram = test::udp({.target_port = 4789}, test::vxlan(7, inner_frame(inner_parts[id])));
    for (const Buffer& packet : test::ipv4_fragments({.protocol = kUdp, .id = id}, datagram, {400}))
      frames.push_back(test::ethernet({}, packet));
  }
  const Chain chain(frames);
  ASSERT_EQ(chain->outcome, Outcome::kTcp);
  EXPECT_EQ(chain->payload.size(), 2000u);
  EXPECT_EQ(chain.decoder.reassembly_counters().completed, 3u);
}

TEST(FragmentTest, SeenAtTwoPlacesOfOneFeed) {
  const auto parts = test::ipv4_fragments({.protocol = kUdp}, test::udp({}, numbered(2000)), {1480});
  std::vector<Buffer> frames;
  for (const Buffer& part : parts) {
    frames.push_back(test::ethernet({.source = 1}, part));
    frames.push_back(test::ethernet({.source = 2}, part));  // routed
  }
  const Chain chain(frames);
  EXPECT_EQ(chain.decoded[2].outcome, Outcome::kUdp);
  EXPECT_EQ(chain.decoded[3].outcome, Outcome::kUdp);
}

TEST(FragmentTest, OfFragmentsOfFragmentsEndsSomewhere) {
  Buffer datagram = test::udp({}, numbered(8));
  std::vector<Buffer> frames;
  constexpr std::size_t kLevels = 6;
  for (std::size_t level = 0; level < kLevels; ++level) {  // each level's end waits, its start comes in the next
    const Buffer tail(8, 'x');
    const std::size_t start_bytes =
        datagram.size() + tail.size() * (kLevels - 1 - level);  // with the ends of the others
    frames.push_back(
        test::ethernet({}, test::ipv6({.next_header = kFragmentHeader},
                                      test::fragment(level == 0 ? kUdp : kFragmentHeader,
                                                     static_cast<std::uint16_t>(start_bytes), false, tail))));
    frames.back()[14 + 40 + 7] = static_cast<std::uint8_t>(level);  // its id
    datagram = test::fragment(level == 0 ? kUdp : kFragmentHeader, 0, true, datagram);
    datagram[7] = static_cast<std::uint8_t>(level);
  }
  frames.push_back(test::ethernet({}, test::ipv6({.next_header = kFragmentHeader}, datagram)));
  const Chain chain(frames);
  EXPECT_EQ(chain->outcome, Outcome::kUnsupported);
}

TEST(FragmentTest, LivesUntilTheNextBatch) {
  const auto frames = framed(test::ipv4_fragments({.protocol = kUdp}, test::udp({}, numbered(2000)), {1480}));
  const std::array<capture::Interface, 1> interfaces{};
  Decoder decoder;
  for (int times = 0; times < 10'000; ++times) {  // far more bytes than the arena has
    for (const Buffer& frame : frames) {
      std::array<Decoded, 1> decoded;
      decoder.decode(std::array{test::packet_of(frame, 1)}, interfaces, decoded);
    }
  }
  EXPECT_EQ(decoder.reassembly_counters().completed, 10'000u);
  EXPECT_EQ(decoder.reassembly_counters().no_room, 0u);
}

}  // namespace
}  // namespace hoptap::decode
