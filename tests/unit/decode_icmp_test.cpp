#include "decode/icmp.h"

#include <gtest/gtest.h>

#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;
using test::Writer;

constexpr capture::LinkType kRaw = 101;
constexpr std::uint8_t kIcmpV4 = 1, kIcmpV6 = 58;

Buffer message(std::uint8_t type, std::uint8_t code, const Buffer& rest) {
  return Writer().u8(type).u8(code).u16(0).u32(0).add(rest).take();
}
Buffer v4(const Buffer& icmp) { return test::ipv4({.protocol = kIcmpV4}, icmp); }
Buffer v6(const Buffer& icmp) { return test::ipv6({.next_header = kIcmpV6}, icmp); }
Buffer lost() {
  return test::ipv4({.source = 0x0a010101, .target = 0x0a020202},
                    test::tcp({.source_port = 1111, .target_port = 2222}));
}
Buffer lost_v6() { return test::ipv6({.next_header = 17}, test::udp({.source_port = 1111, .target_port = 2222}, {})); }

TEST(IcmpTest, Echo) {
  const OneDecoded one = decode_one(v4(message(8, 0, test::text("ping"))), kRaw);
  ASSERT_EQ(one->outcome, Outcome::kIcmp);
  EXPECT_EQ(one->icmp.type, 8);
  EXPECT_EQ(one->icmp.code, 0);
  EXPECT_FALSE(one->icmp.quoted.valid);
  EXPECT_EQ(base::as_text(one->payload), "ping");
  EXPECT_EQ(one->source.text(), "10.0.0.1:0");
}

struct ErrorCase {
  std::string name;
  Buffer packet;
  std::string source, target;  ///< "" when nothing is quoted
  std::uint8_t protocol = 6;
};

class IcmpErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(IcmpErrorTest, QuotesTheLostPacket) {
  const ErrorCase& test = GetParam();
  const OneDecoded one = decode_one(test.packet, kRaw);
  ASSERT_EQ(one->outcome, Outcome::kIcmp);
  const Quoted& quoted = one->icmp.quoted;
  ASSERT_EQ(quoted.valid, !test.source.empty());
  if (!quoted.valid) return;
  EXPECT_EQ(quoted.source.text(), test.source);
  EXPECT_EQ(quoted.target.text(), test.target);
  EXPECT_EQ(quoted.protocol, test.protocol);
}

Buffer first_bytes(Buffer packet, std::size_t count) {
  packet.resize(count);
  return packet;
}

INSTANTIATE_TEST_SUITE_P(
    Errors, IcmpErrorTest,
    testing::Values(ErrorCase{"Unreachable", v4(message(3, 4, lost())), "10.1.1.1:1111", "10.2.2.2:2222"},
                    ErrorCase{"TimeExceeded", v4(message(11, 0, lost())), "10.1.1.1:1111", "10.2.2.2:2222"},
                    ErrorCase{"EightBytesOfTheTransport", v4(message(3, 1, first_bytes(lost(), 28))), "10.1.1.1:1111",
                              "10.2.2.2:2222"},
                    ErrorCase{"NoPorts", v4(message(3, 1, first_bytes(lost(), 20))), "10.1.1.1:0", "10.2.2.2:0"},
                    ErrorCase{"NotQuiteAHeader", v4(message(3, 1, first_bytes(lost(), 19))), "", ""},
                    ErrorCase{"LaterFragment", v4(message(3, 1, test::ipv4({.fragment = 4}, test::tcp({})))),
                              "10.0.0.1:0", "10.0.0.2:0"},
                    ErrorCase{"QuotedEcho", v4(message(11, 0, v4(message(8, 0, {})))), "10.0.0.1:0", "10.0.0.2:0",
                              kIcmpV4},
                    ErrorCase{"NotAnError", v4(message(8, 0, lost())), "", ""},
                    ErrorCase{"TooBig", v6(message(2, 0, lost_v6())), "[2001:db8::1]:1111", "[2001:db8::2]:2222", 17},
                    ErrorCase{"BehindExtensions",
                              v6(message(3, 0, test::ipv6({.next_header = 60}, test::extension(6, test::tcp({}))))),
                              "[2001:db8::1]:40000", "[2001:db8::2]:80"},
                    ErrorCase{"EchoOfIpv6", v6(message(128, 0, lost_v6())), "", ""},
                    ErrorCase{"OfTheOtherVersion", v6(message(1, 0, lost())), "", ""}),
    [](const testing::TestParamInfo<ErrorCase>& one) { return one.param.name; });

TEST(IcmpTest, TooShort) {
  EXPECT_EQ(decode_one(v4(Buffer(1)), kRaw)->outcome, Outcome::kMalformed);
  EXPECT_EQ(decode_one(v4(Buffer{3, 1, 0, 0}), kRaw)->outcome, Outcome::kIcmp);
  const Buffer whole = v4(message(3, 1, lost()));
  EXPECT_EQ(decode_one(first_bytes(whole, 21), kRaw, static_cast<std::uint32_t>(whole.size()))->outcome,
            Outcome::kTruncated);
}

}  // namespace
}  // namespace hoptap::decode
