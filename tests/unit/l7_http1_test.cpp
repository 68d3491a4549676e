// HTTP/1 heads and framing, straight at the parser.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {

extern const Parser kHttp1Parser;

namespace {

using base::as_bytes;
using base::as_text;

constexpr Direction kUp = Direction::kToServer, kDown = Direction::kToClient;

struct HeadCase {
  std::string name;
  Direction direction;
  std::string stream;
  Step step;
  std::uint64_t consumed;
  std::string method, resource, endpoint;
  std::uint32_t status;
};

class Http1Head : public testing::TestWithParam<HeadCase> {};

TEST_P(Http1Head, Is) {
  const HeadCase& c = GetParam();
  ParserState state;
  Message message;
  const ParseStep step = kHttp1Parser.parse(as_bytes(c.stream), c.direction, state, message);
  EXPECT_EQ(step.step, c.step);
  EXPECT_EQ(step.consumed, c.consumed);
  EXPECT_EQ(as_text(message.method), c.method);
  EXPECT_EQ(as_text(message.resource), c.resource);
  EXPECT_EQ(as_text(message.endpoint), c.endpoint);
  EXPECT_EQ(message.status, c.status);
}

constexpr Step kMessage = Step::kMessage, kNeedMore = Step::kNeedMore, kInvalid = Step::kInvalid, kSkip = Step::kSkip;

INSTANTIATE_TEST_SUITE_P(
    Heads, Http1Head,
    testing::Values(
        HeadCase{"Get", kUp, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", kMessage, 28, "GET", "/a", "h", 0},
        HeadCase{"BareLineFeeds", kUp, "GET / HTTP/1.0\nhost:h\n\n", kMessage, 23, "GET", "/", "h", 0},
        HeadCase{"Body", kUp, "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12", kMessage, 42, "PUT", "/", "", 0},
        HeadCase{"SpacesInTheTarget", kUp, "GET /a b c HTTP/1.1\r\n\r\n", kMessage, 23, "GET", "/a b c", "", 0},
        HeadCase{"OwnMethod", kUp, "QUERY /x HTTP/1.1\r\n\r\n", kMessage, 21, "QUERY", "/x", "", 0},
        HeadCase{"NoVersion", kUp, "GET /\r\n\r\n", kInvalid, 0, "", "", "", 0},
        HeadCase{"Cut", kUp, "GET / HTTP/1.1\r\nHo", kNeedMore, 0, "GET", "/", "", 0},
        HeadCase{"EmptyLinesBefore", kUp, "\r\n\r\nGET / HTTP/1.1\r\n\r\n", kSkip, 4, "", "", "", 0},
        HeadCase{"TwoLengths", kUp, "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", kMessage,
                 kToTheEnd, "PUT", "/", "", 0},
        HeadCase{"TwoEqualLengths", kUp, "PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", kMessage, 41, "PUT", "/", "",
                 0},
        HeadCase{"Status", kDown, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", kMessage, 40, "", "", "", 200},
        HeadCase{"NoReason", kDown, "HTTP/1.0 404\r\nContent-Length: 0\r\n\r\n", kMessage, 35, "", "", "", 404},
        HeadCase{"UntilClose", kDown, "HTTP/1.1 200 OK\r\n\r\n", kMessage, kToTheEnd, "", "", "", 200},
        HeadCase{"NoContent", kDown, "HTTP/1.1 204 No\r\n\r\n", kMessage, 19, "", "", "", 204},
        HeadCase{"NotModified", kDown, "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", kMessage, 37, "", "", "", 304},
        HeadCase{"NotThreeDigits", kDown, "HTTP/1.1 2000 OK\r\n\r\n", kInvalid, 0, "", "", "", 0},
        HeadCase{"OtherVersion", kDown, "HTTP/2.0 200 OK\r\n\r\n", kInvalid, 0, "", "", "", 0},
        HeadCase{"GzipWithoutChunks", kDown, "HTTP/1.1 200 K\r\nTransfer-Encoding: gzip\r\n\r\n", kMessage, kToTheEnd,
                 "", "", "", 200},
        HeadCase{"LengthIsNoNumber", kDown, "HTTP/1.1 200 K\r\nContent-Length: 1x\r\n\r\n", kMessage, kToTheEnd, "", "",
                 "", 200}),
    [](const auto& tested) { return tested.param.name; });

class Http1Cut : public testing::TestWithParam<HeadCase> {};

TEST_P(Http1Cut, TellsWhatItHas) {
  const HeadCase& c = GetParam();
  ParserState state;
  Message message;
  EXPECT_EQ(kHttp1Parser.parse(as_bytes(c.stream), c.direction, state, message).step, kNeedMore);
  state.is_cut = true;
  message.renew();
  const ParseStep step = kHttp1Parser.parse(as_bytes(c.stream), c.direction, state, message);
  EXPECT_EQ(step.step, c.step);
  EXPECT_EQ(step.consumed, c.consumed);
  EXPECT_FALSE(message.more);
  if (step.step != kMessage) return;
  EXPECT_EQ(message.head_bytes, Message::kBeyond);
  EXPECT_EQ(as_text(message.method), c.method);
  EXPECT_EQ(as_text(message.resource), c.resource);
  EXPECT_EQ(as_text(message.endpoint), c.endpoint);
  EXPECT_EQ(message.status, c.status);
  state.is_cut = false;
  const std::string next = c.direction == kUp ? "GET /next HTTP/1.1\r\n\r\n" : "HTTP/1.1 204 No\r\n\r\n";
  EXPECT_EQ(kHttp1Parser.parse(as_bytes(next), c.direction, state, message).consumed, next.size());
}

INSTANTIATE_TEST_SUITE_P(
    Heads, Http1Cut,
    testing::Values(HeadCase{"InALine", kUp, "GET /a HTTP/1.1\r\nHost: h\r\nCookie: abc", kMessage, kToTheTurn, "GET",
                             "/a", "h", 0},
                    HeadCase{"BehindTheFirstLine", kUp, "PUT /a HTTP/1.1\r\n", kMessage, kToTheTurn, "PUT", "/a", "",
                             0},
                    HeadCase{"InTheFirstLine", kUp, "GET /a HTT", kNeedMore, 0, "", "", "", 0},
                    HeadCase{"AHostInPartIsNone", kUp, "GET /a HTTP/1.1\r\nHost: www.exa", kMessage, kToTheTurn, "GET",
                             "/a", "", 0},
                    HeadCase{"Chunked", kUp, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX", kMessage, kToTheTurn,
                             "PUT", "/", "", 0},
                    HeadCase{"Response", kDown, "HTTP/1.1 503 No\r\nContent-Length: 5\r\nX-A", kMessage, kToTheTurn, "",
                             "", "", 503},
                    HeadCase{"ChunkedResponse", kDown, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX", kMessage,
                             kToTheTurn, "", "", "", 200},
                    HeadCase{"Interim", kDown, "HTTP/1.1 100 Continue\r\nX", kNeedMore, 0, "", "", "", 0},
                    HeadCase{"Upgrade", kDown, "HTTP/1.1 101 Switching\r\nX", kMessage, kToTheTurn, "", "", "", 101}),
    [](const auto& tested) { return tested.param.name; });

TEST(Http1, ChunksAndTrailersEndTheMessage) {
  ParserState state;
  const std::string stream =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n";
  std::size_t at = 0;
  std::vector<Step> steps;
  while (at < stream.size()) {
    Message message;
    const ParseStep step = kHttp1Parser.parse(as_bytes(std::string_view(stream).substr(at)), kDown, state, message);
    ASSERT_GT(step.consumed, 0u);
    steps.push_back(step.step);
    at += step.consumed;
  }
  EXPECT_EQ(steps, (std::vector{Step::kMessage, Step::kPart, Step::kPart, Step::kPart, Step::kEnd}));
  EXPECT_EQ(at, stream.size());
}

TEST(Http1, AHeadThatComesByteByByteIsTheSame) {
  const std::string stream = "POST /x HTTP/1.1\r\nHost: h\r\nX-Request-Id: 7\r\nContent-Length: 3\r\n\r\n";
  ParserState state;
  for (std::size_t size = 0; size < stream.size(); ++size) {
    Message message;
    EXPECT_EQ(kHttp1Parser.parse(as_bytes(std::string_view(stream).substr(0, size)), kUp, state, message).step,
              kNeedMore);
  }
  Message message;
  const ParseStep step = kHttp1Parser.parse(as_bytes(stream), kUp, state, message);
  EXPECT_EQ(step.consumed, stream.size() + 3);
  EXPECT_EQ(as_text(message.endpoint), "h");
  ASSERT_EQ(message.id_count, 1u);
  EXPECT_EQ(message.ids[0].kind, base::IdKind::kRequestId);
}

struct HintCase {
  std::string request;
  std::string response;
  std::uint64_t body;  ///< consumed behind the response's head
  Kind kind;
  bool upgrades;
};

class Http1Hint : public testing::TestWithParam<HintCase> {};

TEST_P(Http1Hint, TellsTheFramingOfTheResponse) {
  ParserState state;
  Message request;
  kHttp1Parser.parse(as_bytes(GetParam().request), kUp, state, request);
  state.hint = request.hint;
  Message response;
  const ParseStep step = kHttp1Parser.parse(as_bytes(GetParam().response), kDown, state, response);
  EXPECT_EQ(step.consumed, GetParam().response.size() + GetParam().body);
  EXPECT_EQ(response.kind, GetParam().kind);
  EXPECT_EQ(response.upgrades, GetParam().upgrades);
}

INSTANTIATE_TEST_SUITE_P(
    Hints, Http1Hint,
    testing::Values(
        HintCase{"HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 0, Kind::kResponse, false},
        HintCase{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 9, Kind::kResponse, false},
        HintCase{"CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 0, Kind::kResponse, true},
        HintCase{"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 101 S\r\n\r\n", 0, Kind::kResponse, true},
        HintCase{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", 0, Kind::kInterim, false}));

TEST(Http1, WhatFollowsAnUpgradeRequestWaitsForItsResponse) {
  ParserState state;
  Message message;
  kHttp1Parser.parse(as_bytes("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n"), kUp, state, message);
  Message next;
  EXPECT_EQ(kHttp1Parser.parse(as_bytes("GET /2 HTTP/1.1\r\n\r\n"), kUp, state, next).step, kNeedMore);
  state.hint = message.hint;
  Message response;
  kHttp1Parser.parse(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), kDown, state, response);
  Message refused;
  EXPECT_EQ(kHttp1Parser.parse(as_bytes("GET /2 HTTP/1.1\r\n\r\n"), kUp, state, refused).step, kMessage);
}

TEST(Http1, Probe) {
  const auto probe = [](std::string_view text, Direction d) { return kHttp1Parser.probe(as_bytes(text), d, 80); };
  EXPECT_EQ(probe("GET / HTTP/1.1\r\n", kUp), Probe::kYes);
  EXPECT_EQ(probe("GE", kUp), Probe::kMaybe);
  EXPECT_EQ(probe("\r\nGET /", kUp), Probe::kMaybe);
  EXPECT_EQ(probe("EHLO a\r\n", kUp), Probe::kNo);
  EXPECT_EQ(probe("HTTP/1.1 200 OK", kDown), Probe::kYes);
  EXPECT_EQ(probe("HTT", kDown), Probe::kMaybe);
  EXPECT_EQ(probe("SSH-2.0-x", kDown), Probe::kNo);
}

TEST(Http1, ResyncFindsTheNextFirstLine) {
  ParserState state;
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("body GET / HTTP/1.1"), kUp, state), 5u);
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("....HTTP/1.1 200 OK"), kDown, state), 4u);
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("....PO"), kUp, state), 4u);
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("nothing"), kUp, state), 7u);
}

TEST(Http1, ResyncPassesOverLinesThatAreNoFirstLines) {
  ParserState state;
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("GET GET PUT\nGET / HTTP/1.1\r\n\r\n"), kUp, state), 12u);
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("GET GET PUT"), kUp, state), 0u);  // its end may tell
  EXPECT_EQ(kHttp1Parser.resync(as_bytes("HTTP/1.1 HTTP/1.1 200 OK"), kDown, state), 9u);
}

TEST(Http1, NoStatusLineIsToldBeforeItsEnd) {
  for (const auto& [stream, step] :
       {std::pair{"HTTP/1.1 20", kNeedMore}, std::pair{"HTTP/1.1 200 O", kNeedMore}, std::pair{"\r", kNeedMore},
        std::pair{"HTTP/1.1 2xx O", kInvalid}, std::pair{"HTTP/1.1 HTTP/1.1", kInvalid}, std::pair{"x", kInvalid}}) {
    ParserState state;
    Message message;
    EXPECT_EQ(kHttp1Parser.parse(as_bytes(stream), kDown, state, message).step, step) << stream;
  }
}

/// A long first line, short lines, chunks with extensions and trailers, a byte at a time.
TEST(Http1, ByteByByteIsAsWhole) {
  const std::string head = "POST /" + std::string(300, 'x') + " HTTP/1.1\r\na:\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string stream = head + "1;name=value\r\nx\r\n0\r\ntrailer: 1\r\n\r\n";
  ParserState state;
  std::vector<Step> steps;
  std::size_t begin = 0;
  for (std::size_t end = 1; end <= stream.size(); ++end) {
    Message message;
    if (end <= begin) continue;
    const ParseStep step = kHttp1Parser.parse(as_bytes(stream).subspan(begin, end - begin), kUp, state, message);
    if (step.step == kNeedMore) continue;
    steps.push_back(step.step);
    begin += step.consumed;
  }
  EXPECT_EQ(steps, (std::vector{kMessage, Step::kPart, Step::kPart, Step::kPart, Step::kEnd}));
  EXPECT_EQ(begin, stream.size());
}

}  // namespace
}  // namespace hoptap::decode::l7
