#include "decode/tcp.h"

#include <gtest/gtest.h>

#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;

constexpr capture::LinkType kRaw = 101;

Buffer join(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(TcpTest, ReadsTheHeader) {
  const OneDecoded one = decode_one(test::ipv4({}, test::tcp({.source_port = 50123,
                                                              .target_port = 8080,
                                                              .sequence = 0xfedcba98,
                                                              .acknowledgment = 0x01234567,
                                                              .flags = test::kPsh | test::kAck,
                                                              .window = 513},
                                                             test::text("GET /"))),
                                    kRaw);
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->source.port, 50123);
  EXPECT_EQ(one->target.port, 8080);
  EXPECT_EQ(one->tcp.sequence, 0xfedcba98);
  EXPECT_EQ(one->tcp.acknowledgment, 0x01234567u);
  EXPECT_EQ(one->tcp.window, 513);
  EXPECT_TRUE(one->tcp.has(tcp_flag::kPsh));
  EXPECT_TRUE(one->tcp.has(tcp_flag::kAck));
  EXPECT_FALSE(one->tcp.has(tcp_flag::kSyn));
  EXPECT_TRUE(one->tcp.options.empty());
  EXPECT_EQ(base::as_text(one->payload), "GET /");
  EXPECT_EQ(one->payload_wire_bytes, 5u);
}

TEST(TcpTest, ReadsTheOptionsOfASyn) {
  const Buffer options = join({test::mss_option(1460), test::sack_permitted_option(),
                               Buffer{8, 10, 0, 0, 0, 7, 0, 0, 0, 9}, Buffer{1}, test::window_scale_option(7)});
  const OneDecoded one = decode_one(test::ipv4({}, test::tcp({.flags = test::kSyn, .options = options})), kRaw);
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->tcp.mss, 1460);
  EXPECT_TRUE(one->tcp.sack_permitted);
  EXPECT_TRUE(one->tcp.has_timestamps);
  EXPECT_EQ(one->tcp.tsval, 7u);
  EXPECT_EQ(one->tcp.tsecr, 9u);
  EXPECT_TRUE(one->tcp.has_window_scale);
  EXPECT_EQ(one->tcp.window_scale, 7);
  EXPECT_TRUE(std::equal(options.begin(), options.end(), one->tcp.options.begin(), one->tcp.options.end()));
}

struct OptionsCase {
  std::string name;
  Buffer options;
  bool has_timestamps = false;  ///< 7 and 9
  std::uint8_t sack_blocks = 0;
  std::uint16_t mss = 0;
  std::optional<std::uint8_t> window_scale{};
};

class TcpOptionsTest : public testing::TestWithParam<OptionsCase> {};

TEST_P(TcpOptionsTest, ReadsWhatIsGood) {
  const OptionsCase& test = GetParam();
  const OneDecoded one = decode_one(test::ipv4({}, test::tcp({.options = test.options}, test::text("data"))), kRaw);
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->tcp.has_timestamps, test.has_timestamps);
  EXPECT_EQ(one->tcp.tsval, test.has_timestamps ? 7u : 0u);
  EXPECT_EQ(one->tcp.tsecr, test.has_timestamps ? 9u : 0u);
  EXPECT_EQ(one->tcp.sack_blocks, test.sack_blocks);
  EXPECT_EQ(one->tcp.mss, test.mss);
  EXPECT_EQ(one->tcp.has_window_scale, test.window_scale.has_value());
  EXPECT_EQ(one->tcp.window_scale, test.window_scale.value_or(0));
  EXPECT_EQ(base::as_text(one->payload), "data");  // whatever the options
}

const Buffer kTimes = test::timestamps_option(7, 9);

INSTANTIATE_TEST_SUITE_P(
    Options, TcpOptionsTest,
    testing::Values(
        OptionsCase{.name = "Timestamps", .options = kTimes, .has_timestamps = true},
        OptionsCase{.name = "TimestampsBehindOthers",
                    .options = join({test::mss_option(9), kTimes}),
                    .has_timestamps = true,
                    .mss = 9},
        OptionsCase{.name = "TimestampsAndOneBlock",
                    .options = join({kTimes, test::sack_option({{1, 2}})}),
                    .has_timestamps = true,
                    .sack_blocks = 1},
        OptionsCase{
            .name = "FourBlocks", .options = test::sack_option({{1, 2}, {3, 4}, {5, 6}, {7, 8}}), .sack_blocks = 4},
        OptionsCase{.name = "EndStops", .options = join({Buffer{0}, test::mss_option(9)})},
        OptionsCase{.name = "UnknownIsSkipped", .options = join({Buffer{254, 4, 1, 1}, test::mss_option(9)}), .mss = 9},
        OptionsCase{.name = "ScaleIsLimited", .options = test::window_scale_option(200), .window_scale = 14},
        OptionsCase{.name = "ScaleOfZero", .options = test::window_scale_option(0), .window_scale = 0},
        OptionsCase{.name = "LengthZero",
                    .options = join({kTimes, Buffer{2, 0, 5, 5}, test::mss_option(9)}),
                    .has_timestamps = true},
        OptionsCase{.name = "LengthOne", .options = join({Buffer{2, 1, 5, 5}, test::mss_option(9)})},
        OptionsCase{.name = "LengthBeyond", .options = join({kTimes, Buffer{254, 20, 1, 1}}), .has_timestamps = true},
        OptionsCase{.name = "KindWithoutLength", .options = Buffer{1, 1, 1, 2}},
        OptionsCase{.name = "WrongLengthOfMss",
                    .options = join({Buffer{2, 6, 5, 5, 5, 5, 1, 1}, kTimes}),
                    .has_timestamps = true},
        OptionsCase{.name = "WrongLengthOfTimestamps", .options = Buffer{8, 8, 1, 1, 1, 1, 1, 1}},
        OptionsCase{.name = "WrongLengthOfScale", .options = Buffer{3, 4, 1, 1}},
        OptionsCase{.name = "WrongLengthOfSackPermitted", .options = Buffer{4, 4, 1, 1}},
        OptionsCase{.name = "WrongLengthOfSack", .options = Buffer{5, 8, 1, 1, 1, 1, 1, 1}}),
    [](const testing::TestParamInfo<OptionsCase>& one) { return one.param.name; });

TEST(TcpTest, LengthsThatCannotBeAreMalformed) {
  EXPECT_EQ(decode_one(test::ipv4({}, test::tcp({.header_words = 4}, Buffer(40))), kRaw)->outcome, Outcome::kMalformed);
  EXPECT_EQ(decode_one(test::ipv4({}, test::tcp({.header_words = 15}, Buffer(39))), kRaw)->outcome,
            Outcome::kMalformed);
  EXPECT_EQ(decode_one(test::ipv4({}, test::tcp({.header_words = 15}, Buffer(40))), kRaw)->outcome, Outcome::kTcp);
  EXPECT_EQ(decode_one(test::ipv4({}, Buffer(19)), kRaw)->outcome, Outcome::kMalformed);
}

TEST(TcpTest, CutByTheCapture) {
  const Buffer whole = test::ipv4({}, test::tcp({.options = kTimes}, test::text("0123456789")));
  constexpr std::size_t kFixedEnd = 40, kOptionsEnd = 52;
  for (std::size_t cut = 20; cut < whole.size(); ++cut) {
    const Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    const OneDecoded one = decode_one(part, kRaw, static_cast<std::uint32_t>(whole.size()));
    if (cut < kFixedEnd) {
      EXPECT_EQ(one->outcome, Outcome::kTruncated) << cut;
      continue;
    }
    EXPECT_EQ(one->outcome, Outcome::kTcp) << cut;
    EXPECT_EQ(one->tcp.options.size(), std::min(cut, kOptionsEnd) - kFixedEnd) << cut;
    EXPECT_EQ(one->tcp.has_timestamps, cut >= kOptionsEnd) << cut;
    EXPECT_EQ(one->payload.size(), cut < kOptionsEnd ? 0 : cut - kOptionsEnd) << cut;
    EXPECT_EQ(one->payload_wire_bytes, 10u) << cut;
  }
}

TEST(TcpTest, CutByTheCaptureInALastHeader) {
  const Buffer whole = test::ipv4({}, test::tcp({}));
  const Buffer part(whole.begin(), whole.end() - 1);
  EXPECT_EQ(decode_one(part, kRaw, static_cast<std::uint32_t>(whole.size()))->outcome, Outcome::kTruncated);
}

struct UdpCase {
  std::string name;
  std::uint16_t length;
  Outcome expected;
  std::uint32_t payload_wire_bytes;
};

class UdpTest : public testing::TestWithParam<UdpCase> {};

TEST_P(UdpTest, ReadsTheLength) {
  const Buffer payload = test::text("0123456789");
  const Buffer packet = test::ipv4({.protocol = 17}, test::udp({.length = GetParam().length}, payload));
  const OneDecoded one = decode_one(packet, kRaw);
  EXPECT_EQ(one->outcome, GetParam().expected);
  EXPECT_EQ(one->payload.size(), GetParam().payload_wire_bytes);
  EXPECT_EQ(one->payload_wire_bytes, GetParam().payload_wire_bytes);
  EXPECT_EQ(one->target.port, one->outcome == Outcome::kUdp ? 53 : 0);
}

INSTANTIATE_TEST_SUITE_P(Lengths, UdpTest,
                         testing::Values(UdpCase{"Exact", 18, Outcome::kUdp, 10}, UdpCase{"Less", 12, Outcome::kUdp, 4},
                                         UdpCase{"Empty", 8, Outcome::kUdp, 0}, UdpCase{"Zero", 0, Outcome::kUdp, 10},
                                         UdpCase{"Beyond", 65535, Outcome::kUdp, 10},
                                         UdpCase{"TooSmall", 7, Outcome::kMalformed, 0}),
                         [](const testing::TestParamInfo<UdpCase>& one) { return one.param.name; });

TEST(UdpTest, CutByTheCapture) {
  const Buffer whole = test::ipv4({.protocol = 17}, test::udp({}, test::text("0123456789")));
  for (std::size_t cut = 20; cut < whole.size(); ++cut) {
    const Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    const OneDecoded one = decode_one(part, kRaw, static_cast<std::uint32_t>(whole.size()));
    EXPECT_EQ(one->outcome, cut < 28 ? Outcome::kTruncated : Outcome::kUdp) << cut;
    EXPECT_EQ(one->payload.size(), cut < 28 ? 0 : cut - 28) << cut;
    EXPECT_EQ(one->payload_wire_bytes, cut < 28 ? 0u : 10u) << cut;
  }
}

}  // namespace
}  // namespace hoptap::decode
