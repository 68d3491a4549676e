// TLS records, straight at the parser.
#include <gtest/gtest.h>

#include "decode/l7/parser.h"
#include "tests/unit/tcp_script.h"

namespace hoptap::decode::l7 {

extern const Parser kTlsParser;

namespace {

using base::as_bytes;
using base::as_text;
using tests::client_hello;
using tests::filled;
using tests::tls_record;

constexpr Direction kUp = Direction::kToServer;

struct RecordCase {
  std::string name;
  std::string stream;
  Step step;
  std::uint64_t consumed;
  bool handshake;
};

class TlsRecord : public testing::TestWithParam<RecordCase> {};

TEST_P(TlsRecord, Is) {
  ParserState state;
  Message message;
  const ParseStep step = kTlsParser.parse(as_bytes(GetParam().stream), kUp, state, message);
  EXPECT_EQ(step.step, GetParam().step);
  EXPECT_EQ(step.consumed, GetParam().consumed);
  EXPECT_EQ(message.handshake, GetParam().handshake);
}

INSTANTIATE_TEST_SUITE_P(
    Records, TlsRecord,
    testing::Values(RecordCase{"Application", tls_record(23, filled(10)), Step::kMessage, 15, false},
                    RecordCase{"ApplicationHeadOnly", tls_record(23, filled(10)).substr(0, 5), Step::kMessage, 15,
                               false},
                    RecordCase{"Handshake", tls_record(22, filled(9)), Step::kMessage, 14, true},
                    RecordCase{"ChangeCipherSpec", tls_record(20, "\1"), Step::kMessage, 6, true},
                    RecordCase{"Alert", tls_record(21, "ab"), Step::kSkip, 7, false},
                    RecordCase{"CutHeader", tls_record(23, "a").substr(0, 4), Step::kNeedMore, 0, false},
                    RecordCase{"NoLength", tls_record(23, ""), Step::kInvalid, 0, false},
                    RecordCase{"TooLong", tls_record(23, filled(20000)), Step::kInvalid, 0, false},
                    RecordCase{"OtherType", tls_record(99, "ab"), Step::kInvalid, 0, false},
                    RecordCase{"HelloCut", client_hello("a").substr(0, 20), Step::kNeedMore, 0, false}),
    [](const auto& tested) { return tested.param.name; });

TEST(Tls, ServerNameOfTheClientHello) {
  ParserState state;
  Message message;
  const std::string hello = client_hello("www.example.com");
  EXPECT_EQ(kTlsParser.parse(as_bytes(hello), kUp, state, message).consumed, hello.size());
  EXPECT_EQ(as_text(message.endpoint), "www.example.com");
  EXPECT_TRUE(message.encrypted);
}

TEST(Tls, OfAHelloThatWasCapturedInPartTheNameIsToldIfItIsThere) {
  const std::string hello = client_hello("www.example.com");
  for (std::size_t length = 5; length < hello.size(); ++length) {
    ParserState state;
    state.is_cut = true;
    Message message;
    const std::string part = hello.substr(0, length);
    const ParseStep step = kTlsParser.parse(as_bytes(part), kUp, state, message);
    EXPECT_EQ(step.step, Step::kMessage);
    EXPECT_EQ(step.consumed, hello.size());
    const bool has_name = part.find("www.example.com") != std::string::npos;
    EXPECT_EQ(as_text(message.endpoint), has_name ? "www.example.com" : "");
  }
}

TEST(Tls, EveryCutOfAClientHelloIsSafe) {
  std::string hello = client_hello("www.example.com");
  for (std::size_t length = 1; length + 5 <= hello.size(); ++length) {  // the record says it is shorter
    std::string cut = hello.substr(0, 5 + length);
    cut[3] = static_cast<char>(length >> 8);
    cut[4] = static_cast<char>(length);
    ParserState state;
    Message message;
    EXPECT_EQ(kTlsParser.parse(as_bytes(cut), kUp, state, message).step, Step::kMessage);
  }
}

TEST(Tls, ProbeAndResync) {
  EXPECT_EQ(kTlsParser.probe(as_bytes(client_hello("a")), kUp, 443), Probe::kYes);
  EXPECT_EQ(kTlsParser.probe(as_bytes("\x16\x03"), kUp, 443), Probe::kMaybe);
  EXPECT_EQ(kTlsParser.probe(as_bytes("GET /"), kUp, 443), Probe::kNo);
  ParserState state;
  EXPECT_EQ(kTlsParser.resync(as_bytes("abc" + tls_record(23, "x")), kUp, state), 3u);
}

}  // namespace
}  // namespace hoptap::decode::l7
