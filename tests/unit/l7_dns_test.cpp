// DNS messages over UDP and TCP, straight at the parsers.
#include <gtest/gtest.h>

#include "decode/l7/parser.h"
#include "tests/unit/tcp_script.h"

namespace hoptap::decode::l7 {

extern const Parser kDnsUdpParser, kDnsTcpParser;

namespace {

using base::as_bytes;
using base::as_text;
using tests::dns;
using tests::dns_tcp;

constexpr Direction kUp = Direction::kToServer, kDown = Direction::kToClient;

TEST(DnsUdp, QueryAndAnswer) {
  ParserState state;
  Message query;
  EXPECT_EQ(kDnsUdpParser.parse(as_bytes(dns(0x1234, "www.example.com", false)), kUp, state, query).step,
            Step::kMessage);
  EXPECT_EQ(query.kind, Kind::kRequest);
  EXPECT_EQ(query.key, 0x1234u);
  EXPECT_EQ(as_text(query.resource), "www.example.com");
  EXPECT_EQ(as_text(query.endpoint), "A");
  EXPECT_EQ(as_text(query.method), "QUERY");
  EXPECT_FALSE(query.has_status);
  Message answer;
  kDnsUdpParser.parse(as_bytes(dns(0x1234, "www.example.com", true, 3)), kDown, state, answer);
  EXPECT_EQ(answer.kind, Kind::kResponse);
  EXPECT_EQ(answer.status, 3u);
}

TEST(DnsUdp, TheLongestNameFits) {
  const std::string label(61, 'a');
  const std::string name = label + "." + label + "." + label + "." + label + ".abcde";
  ParserState state;
  Message query;
  const std::string bytes = dns(1, name, false);
  ASSERT_EQ(kDnsUdpParser.parse(as_bytes(bytes), kUp, state, query).step, Step::kMessage);
  EXPECT_EQ(as_text(query.resource), name);
}

struct NameCase {
  std::string wire;
  bool good;
  std::string text;
};

class DnsName : public testing::TestWithParam<NameCase> {};

TEST_P(DnsName, IsReadOrRefused) {
  using namespace std::string_literals;
  const std::string bytes = "\0\1\1\0\0\1\0\0\0\0\0\0"s + GetParam().wire + "\0\1\0\1"s;
  ParserState state;
  Message message;
  const ParseStep step = kDnsUdpParser.parse(as_bytes(bytes), kUp, state, message);
  EXPECT_EQ(step.step == Step::kMessage, GetParam().good);
  if (GetParam().good) {
    EXPECT_EQ(as_text(message.resource), GetParam().text);
  }
}

using namespace std::string_literals;
INSTANTIATE_TEST_SUITE_P(Names, DnsName,
                         testing::Values(NameCase{"\1a\2bc\0"s, true, "a.bc"}, NameCase{"\0"s, true, "."},
                                         NameCase{"\2\x01 \0"s, true, "??"},
                                         NameCase{"\xc0\x0c"s, false, ""},    // points at itself
                                         NameCase{"\x40\x01\0"s, false, ""},  // neither length nor pointer
                                         NameCase{"\x3f\x61"s, false, ""}));  // longer than the message

TEST(DnsTcp, LengthInFront) {
  const std::string stream = dns_tcp(7, "a.b", false) + dns_tcp(8, "c.d", false);
  ParserState state;
  Message first;
  const ParseStep step = kDnsTcpParser.parse(as_bytes(stream), kUp, state, first);
  EXPECT_EQ(step.consumed, stream.size() / 2);
  EXPECT_EQ(first.key, 7u);
  Message cut;
  EXPECT_EQ(kDnsTcpParser.parse(as_bytes(std::string_view(stream).substr(0, 9)), kUp, state, cut).step,
            Step::kNeedMore);
  Message bad;
  EXPECT_EQ(kDnsTcpParser.parse(as_bytes("\0\5abcde"s), kUp, state, bad).step, Step::kInvalid);
}

TEST(DnsTcp, ProbeAndResync) {
  const std::string query = dns_tcp(7, "a.b", false);
  EXPECT_EQ(kDnsTcpParser.probe(as_bytes(query), kUp, 53), Probe::kYes);
  EXPECT_EQ(kDnsTcpParser.probe(as_bytes(query), kUp, 8053), Probe::kYes) << "one whole message on another port";
  EXPECT_EQ(kDnsTcpParser.probe(as_bytes(query + "x"), kUp, 8053), Probe::kNo);
  EXPECT_EQ(kDnsTcpParser.probe(as_bytes(query), kDown, 53), Probe::kNo) << "a query does not come from the server";
  ParserState state;
  EXPECT_EQ(kDnsTcpParser.resync(as_bytes("junk" + query), kUp, state), 4u);
  EXPECT_EQ(kDnsTcpParser.resync(as_bytes("junk"), kUp, state), 4u);
}

TEST(DnsUdp, OnItsPorts) {
  const std::string query = dns(7, "a.b", false);
  for (const std::uint16_t port : {std::uint16_t{53}, std::uint16_t{5353}, std::uint16_t{5355}})
    EXPECT_EQ(kDnsUdpParser.probe(as_bytes(query), kUp, port), Probe::kYes);
  EXPECT_EQ(kDnsUdpParser.probe(as_bytes("no dns at all"), kUp, 4000), Probe::kNo);
}

}  // namespace
}  // namespace hoptap::decode::l7
