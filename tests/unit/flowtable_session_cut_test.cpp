// Packets of which the capture kept the beginning only: messages, their ends, their pairs.
#include "flowtable/session.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::FlowTableConfig;
using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

/// Heads that the capture has in part: each message ends where the other side speaks.
struct CutCase {
  std::string name;
  std::string text;
  std::size_t captured;
  std::vector<std::string> more;  ///< segments of the same message, of which nothing but their lengths is captured
};

class SessionCut : public testing::TestWithParam<CutCase> {
 protected:
  /// Sends the message. @return when its last byte passed
  static std::uint64_t send(Script& script, Peer& from) {
    from.send_cut(GetParam().text, GetParam().captured);
    for (const std::string& part : GetParam().more) from.send_cut(part, 3);
    return script.now_ns;
  }
};

TEST_P(SessionCut, AnAnswerIsPairedAndEndsWithItsTurn) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  const std::uint64_t ended_ns = send(script, script.server);
  const std::uint32_t end = script.server.next();
  script.client.ack();
  script.wait(10 * kMillisecond);
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].resource, "/1");
  EXPECT_EQ(hops[0].status, 200u);
  EXPECT_EQ(hops[0].response.last_ns, ended_ns);
  EXPECT_EQ(hops[0].response.sequence + hops[0].response.bytes, end);
  EXPECT_EQ(hops[0].flags & (record_flag::kIncomplete | record_flag::kResponseEndUnseen), 0u);
  EXPECT_NE(hops[0].flags & record_flag::kResponseGap, 0u);
  EXPECT_EQ(hops[1].resource, "/2");
  EXPECT_EQ(hops[1].status, 404u);
}

TEST_P(SessionCut, ASilenceEndsNoAnswer) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  send(script, script.server);
  script.client.ack();
  script.wait(8 * FlowTableConfig{}.settle_ns);
  script.table.advance(script.now_ns);
  EXPECT_TRUE(script.records.hops.empty());
  script.server.send_cut("the rest", 3);
  const std::uint64_t ended_ns = script.now_ns;
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].status, 200u);
  EXPECT_EQ(hops[0].response.last_ns, ended_ns);
  EXPECT_EQ(hops[1].resource, "/2");
  EXPECT_EQ(hops[1].status, 404u);
}

TEST_P(SessionCut, AnAnswerEndsWithItsConnection) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  const std::uint64_t ended_ns = send(script, script.server);
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.last_ns, ended_ns);
  EXPECT_EQ(hops[0].flags & record_flag::kIncomplete, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, SessionCut,
    testing::Values(
        CutCase{"InItsHead", "HTTP/1.1 200 OK\r\nServer: a\r\nX: " + std::string(900, 'x') + "\r\n\r\nbody", 40, {}},
        CutCase{"InItsHeadAndMore",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + std::string(100, 'x'),
                50,
                {"xxxx", "GET / HTTP/1.1\r\n\r\n"}},
        CutCase{"InAChunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + std::string(100, 'x') +
                    "\r\n5\r\nabcde\r\n0\r\n\r\n",
                60,
                {}},
        CutCase{"InTheLineOfAChunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n",
                48,
                {"HTTP/1.1 500 No\r\n\r\n"}}),
    [](const auto& tested) { return tested.param.name; });

TEST(SessionOfCutPackets, OfAHeadThatWasCutTheHashIsOfAsManyBytesAsOfAWholeOne) {
  const std::string answer = "HTTP/1.1 200 OK\r\nX: " + std::string(400, 'x') + "\r\nContent-Length: 0\r\n\r\n";
  const auto hash = [&](std::size_t captured) {
    Script script;
    script.handshake();
    script.client.send(get("/1"));
    script.server.send_cut(answer, captured);
    return script.finish().at(0).response.head_hash;
  };
  EXPECT_EQ(hash(300), hash(answer.size()));
  EXPECT_EQ(hash(200), 0u);
}

TEST(SessionOfCutPackets, WhatACutAnswerHidesShiftsNoPairs) {
  Script script;
  script.handshake();
  script.client.send(get("/1") + get("/2"));
  script.server.send_cut("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x') + "\r\n\r\n" + ok("b", "404 No"), 40);
  for (const std::string number : {"3", "4"}) {
    script.client.send(get("/" + number));
    script.server.send(ok("", "50" + number + " Oh"));
  }
  const auto& hops = script.finish();
  for (const HopRecord& hop : hops)
    EXPECT_FALSE(hop.status >= 500 && hop.request.seen())
        << "of a client that pipelines nobody knows: " << hop.resource;
}

TEST(SessionOfCutPackets, AWindowOfRequestsBehindACutAnswerShiftsNoPairs) {
  Script script;
  script.handshake();
  script.client.send(get("/0"));
  script.client.send(get("/1"));
  for (std::uint32_t i = 0; i < 6; ++i) {  // the client is always one ahead
    const std::string answer = ok("", "20" + std::to_string(i) + " Ok");
    if (i == 0) {
      script.server.send_cut(answer, 30);
    } else {
      script.server.send(answer);
    }
    script.client.send(get("/" + std::to_string(i + 2)));
  }
  std::size_t pairs = 0;
  for (const HopRecord& hop : script.finish()) {
    const bool is_pair = hop.request.seen() && hop.response.seen();
    pairs += is_pair ? 1 : 0;
    EXPECT_TRUE(!is_pair || hop.resource == "/" + std::to_string(hop.status - 200))
        << hop.resource << " " << hop.status;
  }
  EXPECT_GE(pairs, 1u);
}

TEST(SessionOfCutPackets, ABodyBehindAnEarlyAnswerToACutRequestBeginsNoRequest) {
  Script script;
  script.handshake();
  script.client.send_cut("POST /1 HTTP/1.1\r\nContent-Length: 7\r\nX: " + std::string(100, 'x') + "\r\n\r\n", 50);
  script.server.send(ok("", "405 No"));
  script.client.send("a text");
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].status, 405u);
  EXPECT_EQ(hops[1].method, "GET");
  EXPECT_EQ(hops[1].resource, "/2");
  EXPECT_EQ(hops[1].status, 404u);
}

TEST(SessionOfCutPackets, WhatACutRequestHidesShiftsNoPairs) {
  Script script;
  script.handshake();
  script.client.send_cut("GET /1 HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\n\r\n" + get("/2"), 40);
  script.server.send(ok("", "501 Oh"));
  script.server.send(ok("", "502 Oh"));
  script.client.send(get("/3"));
  script.server.send(ok("", "503 Oh"));
  std::size_t pairs = 0;
  for (const HopRecord& hop : script.finish()) {
    const bool is_pair = hop.request.seen() && hop.response.seen();
    pairs += is_pair ? 1 : 0;
    EXPECT_TRUE(!is_pair || hop.resource == "/" + std::to_string(hop.status - 500)) << hop.resource;
  }
  EXPECT_GE(pairs, 1u);
}

TEST(SessionOfCutPackets, SegmentsOfWhichNothingWasCapturedHaveTheirTime) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + std::string(60, 'x'));
  script.server.send_cut(std::string(40, 'x') + "\r\n64\r\n" + std::string(100, 'x'), 0);
  script.server.send_cut("\r\n0\r\n\r\n", 0);
  const std::uint64_t ended_ns = script.now_ns;
  script.client.ack();
  script.wait(10 * kMillisecond);
  script.client.send(get("/2"));
  script.server.send("HTTP/1.1 404 No\r\nContent-Length: 40\r\n\r\n");
  script.server.send_cut(std::string(40, 'x'), 0);
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].response.last_ns, ended_ns);
  EXPECT_EQ(hops[1].status, 404u);
  EXPECT_EQ(hops[1].response.last_ns, script.now_ns);
  for (const HopRecord& hop : hops)
    EXPECT_EQ(hop.flags & (record_flag::kIncomplete | record_flag::kResponseEndUnseen), 0u) << hop.resource;
}

TEST(SessionOfCutPackets, ACutAnswerEndsAtAHoleOfEitherSide) {
  for (const bool of_client : {false, true}) {
    Script script;
    script.handshake();
    script.client.send(get("/1"));
    script.server.send_cut("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x'), 40);
    const std::uint64_t ended_ns = script.now_ns;
    const std::uint32_t end = script.server.next();
    script.client.ack();
    (of_client ? script.client : script.server).lose(30);
    (of_client ? script.server : script.client).ack();
    script.wait(10 * kMillisecond);
    (of_client ? script.client : script.server).ack();
    script.server.send(ok("", "404 No"));
    script.client.send(get("/3"));
    script.server.send(ok("", "500 Oh"));
    const auto& hops = script.finish();
    ASSERT_GE(hops.size(), 2u);
    EXPECT_EQ(hops[0].status, 200u);
    EXPECT_EQ(hops[0].response.last_ns, ended_ns);
    EXPECT_EQ(hops[0].response.end_sequence, end);
    EXPECT_EQ((hops[0].flags & record_flag::kResponseEndUnseen) != 0, !of_client);
    EXPECT_EQ(hops.back().resource, "/3");
    EXPECT_EQ(hops.back().status, 500u);
  }
}

TEST(SessionOfCutPackets, ARequestCutInItsHeadEndsWhereItIsAnswered) {
  Script script;
  script.handshake();
  script.client.send_cut("POST /1 HTTP/1.1\r\nHost: h\r\nCookie: " + std::string(500, 'x') + "\r\n\r\n12345", 60);
  script.client.send_cut("more", 2);
  const std::uint64_t ended_ns = script.now_ns;
  script.server.send(ok(""));
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].method, "POST");
  EXPECT_EQ(hops[0].resource, "/1");
  EXPECT_EQ(hops[0].endpoint, "h");
  EXPECT_EQ(hops[0].status, 200u);
  EXPECT_EQ(hops[0].request.last_ns, ended_ns);
  EXPECT_NE(hops[0].flags & record_flag::kRequestGap, 0u);
  EXPECT_EQ(hops[1].status, 404u);
}

TEST(SessionOfCutPackets, WhatFollowsACutInterimResponseIsLookedFor) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send_cut("HTTP/1.1 103 Early Hints\r\nLink: " + std::string(100, 'x') + "\r\n\r\n", 40);
  script.server.send(ok(""));
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  for (const HopRecord& hop : hops) EXPECT_NE(hop.status, 103u);
  EXPECT_EQ(hops.back().resource, "/2");
  EXPECT_EQ(hops.back().status, 404u);
}

TEST(SessionOfCutPackets, AnUploadGoesOnBehindASilence) {
  Script script;
  script.handshake();
  const std::string head = "POST /1 HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\nContent-Length: 20\r\n\r\n";
  script.client.send_cut(head, 60);
  for (int parts = 0; parts < 2; ++parts) {
    script.server.ack();
    script.wait(3 * FlowTableConfig{}.settle_ns);
    script.table.advance(script.now_ns);
    script.client.send(std::string(10, 'b'));
  }
  const std::uint64_t ended_ns = script.now_ns;
  script.wait(kMillisecond);
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].request.last_ns, ended_ns);
  EXPECT_EQ(hops[0].request.bytes, head.size() + 20);
  EXPECT_EQ(hops[0].status, 200u);
}

TEST(SessionOfCutPackets, ARequestThatHasHeardOfAnAnswerIsAnother) {
  Script script;
  script.handshake();
  const auto ask = [&](const std::string& number) {
    const std::string head = "GET /" + number + " HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\n\r\n";
    script.client.send_cut(head, 40);
    return head.size();
  };
  const std::size_t first_bytes = ask("1");
  script.server.lose(50);
  script.server.send(ok("behind a hole"));
  ask("2");
  script.server.send(ok("", "404 No"));
  ask("3");
  script.server.send(ok("", "500 Oh"));
  std::size_t pairs = 0;
  for (const HopRecord& hop : script.finish()) {
    if (!hop.request.seen()) continue;
    EXPECT_EQ(hop.request.bytes, first_bytes) << hop.resource;
    if (!hop.response.seen()) continue;
    ++pairs;
    EXPECT_EQ(hop.resource, "/3") << hop.status;
    EXPECT_EQ(hop.status, 500u);
  }
  EXPECT_EQ(pairs, 1u);
}

TEST(SessionOfCutPackets, RequestsThatArePipelinedAndCutShiftNoPairs) {
  Script script;
  script.handshake();
  for (const std::string number : {"1", "2", "3"})
    script.client.send_cut("GET /" + number + " HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\n\r\n", 40);
  for (const std::string number : {"1", "2", "3"}) script.server.send_cut(ok("body", "50" + number + " Oh"), 24);
  script.client.send(get("/4"));
  script.server.send(ok("", "504 Oh"));
  for (const HopRecord& hop : script.finish()) {
    const bool is_pair = hop.request.seen() && hop.response.seen();
    EXPECT_TRUE(!is_pair || hop.resource == "/" + std::to_string(hop.status - 500)) << hop.resource << hop.status;
  }
}

TEST(SessionOfCutPackets, BehindTheCutAnswerToAnUpgradeAreTurns) {
  Script script;
  script.handshake();
  script.client.send("GET /chat HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  script.server.send_cut("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 40);
  for (int frames = 0; frames < 2; ++frames) {
    script.client.send_cut("\x81\x85 a question", 8);
    script.server.send_cut("\x81\x05 an answer", 8);
  }
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  EXPECT_EQ(hops[0].status, 101u);
  for (const std::size_t at : {1u, 2u}) {
    EXPECT_EQ(hops[at].protocol, "opaque");
    EXPECT_TRUE(hops[at].request.seen() && hops[at].response.seen());
  }
}

/// Two exchanges of bytes that are of no protocol, `captured` bytes of each segment kept.
std::vector<HopRecord> turns(std::size_t captured) {
  Script script;
  script.handshake();
  for (const std::size_t scale : {1u, 2u}) {
    script.client.send_cut(std::string(300 * scale, '\1'), captured);
    script.client.send_cut(std::string(20, '\2'), captured);
    script.server.ack();
    script.wait(10 * kMillisecond);
    for (int segments = 0; segments < 3; ++segments) script.server.send_cut(std::string(1000 * scale, '\3'), captured);
    script.client.ack();
  }
  return script.finish();
}

TEST(SessionOfCutPackets, HeadersAloneTellTheTurns) {
  constexpr std::size_t kAll = 10'000;
  const std::vector<HopRecord> whole = turns(kAll);
  ASSERT_EQ(whole.size(), 2u);
  for (const std::size_t captured : {0u, 1u, 30u, 300u}) {
    const std::vector<HopRecord> seen = turns(captured);
    ASSERT_EQ(seen.size(), whole.size()) << captured;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      EXPECT_EQ(seen[at].protocol, "opaque");
      EXPECT_EQ(seen[at].flags, whole[at].flags | record_flag::kTruncated);
      for (const auto message : {&HopRecord::request, &HopRecord::response}) {
        const auto &is = seen[at].*message, &was = whole[at].*message;
        EXPECT_EQ(std::tie(is.sequence, is.end_sequence, is.bytes, is.first_ns, is.last_ns, is.ack_ns),
                  std::tie(was.sequence, was.end_sequence, was.bytes, was.first_ns, was.last_ns, was.ack_ns))
            << captured << " bytes of exchange " << at;
        EXPECT_TRUE(is.head_hash == 0 || is.head_hash == was.head_hash) << captured;
      }
      EXPECT_NE(seen[at].request.head_hash != 0, captured < 256) << captured;
    }
  }
}

TEST(SessionOfCutPackets, OfAFirstLineThatIsCutWhatWasCapturedIsTold) {
  struct Case {
    std::string request;
    std::size_t captured;
    std::string protocol, method, resource;
  };
  for (const Case& tested :
       {Case{"GET /orders/17?all=1 HTTP/1.1\r\n", 12, "http", "GET", "/orders/"},
        Case{"GET /orders/17?all=1 HTTP/1.1\r\n", 25, "http", "GET", "/orders/17?all=1"},
        Case{"POST http://a/b HTTP/1.1\r\n", 12, "http", "POST", "http://"},
        Case{"GET /orders/17?all=1 HTTP/1.1\r\n", 11, "opaque", "", ""},
        Case{"GET /orders/17?all=1 HTTP/1.1\r\n", 4, "opaque", "", ""},
        Case{"GET /a is no HTTP\r\n", 12, "opaque", "", ""}, Case{"OPTIONS sip:a SIP/2.0\r\n", 14, "opaque", "", ""},
        Case{"FETCH /orders/17?all=1 HTTP/1.1\r\n", 12, "opaque", "", ""}}) {
    Script script;
    script.handshake();
    for (int times = 0; times < 2; ++times) {
      script.client.send_cut(tested.request + "Host: a\r\n\r\n", tested.captured);
      script.server.send_cut(ok("body"), tested.captured);
    }
    const auto& hops = script.finish();
    ASSERT_EQ(hops.size(), 2u) << tested.request;
    for (const HopRecord& hop : hops) {
      EXPECT_EQ(hop.protocol, tested.protocol) << tested.request << tested.captured;
      EXPECT_EQ(hop.method, tested.method);
      EXPECT_EQ(hop.resource, tested.resource);
      EXPECT_EQ(hop.status, tested.protocol == "http" ? 200u : 0u);
      EXPECT_TRUE(hop.request.seen() && hop.response.seen());
    }
  }
}

TEST(SessionOfCutPackets, AFirstLineThatIsCutWithinASegmentIsNone) {
  Script script;
  script.handshake();
  script.client.send_cut("POST /1 HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\n\r\n", 50);
  script.server.send(ok("", "405 No"));
  script.client.send_cut("text of POST /1, GET /2, and more", 22);
  script.server.send(ok("", "404 No"));
  for (const HopRecord& hop : script.finish()) EXPECT_NE(hop.method, "GET");
}

TEST(SessionOfCutPackets, AProtocolIsFoundWhenMoreOfPacketsIsKept) {
  Script script;
  script.handshake();
  script.client.send("\1");
  script.server.send_cut(ok(""), 0);
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].protocol, "opaque");
  EXPECT_TRUE(hops[0].request.seen() && hops[0].response.seen());
  EXPECT_EQ(hops[1].resource, "/2");
  EXPECT_EQ(hops[1].status, 404u);
}

/// An application's request of one record and its answer of three, which lie in other segments than they begin;
/// `captured` bytes of each segment are kept.
HopRecord sealed(std::size_t captured) {
  Script script({}, 443);
  script.handshake();
  script.client.send(tls_record(23, filled(100)));
  script.wait(5 * kMillisecond);
  const auto record = [](std::size_t bytes) { return tls_record(23, filled(bytes, 23)); };  // all as a record begins
  const std::string answer = record(300) + record(2500) + record(150);
  for (std::size_t at = 0; at < answer.size(); at += 700)
    script.server.send_cut(answer.substr(at, 700), std::min(captured, answer.size() - at));
  script.client.ack();
  script.wait(5 * kMillisecond);
  script.client.send(tls_record(23, filled(50)));
  const auto& hops = script.finish();
  EXPECT_EQ(hops.size(), 2u) << captured;
  return hops.at(0);
}

TEST(SessionOfCutPackets, SealedTurnsEndWhereTheyEndedWhereverTheirRecordsLie) {
  const HopRecord whole = sealed(700);
  EXPECT_EQ(whole.response.bytes, 300u + 2500 + 150 + 3 * 5);
  for (const std::size_t captured : {5u, 40u, 310u, 699u}) {
    const HopRecord cut = sealed(captured);
    EXPECT_EQ(cut.protocol, "tls");
    EXPECT_EQ(cut.flags, whole.flags | record_flag::kTruncated) << captured;
    EXPECT_EQ(cut.response.first_ns, whole.response.first_ns) << captured;
    EXPECT_EQ(cut.response.last_ns, whole.response.last_ns) << captured;
    EXPECT_EQ(cut.response.bytes, whole.response.bytes) << captured;
    EXPECT_EQ(cut.response.head_hash, whole.response.head_hash) << captured;
  }
}

TEST(SessionOfCutPackets, ADatagramThatIsCutHasItsLength) {
  const auto lookup = [](std::size_t captured) {
    Script script({}, 53);
    script.client.datagram(dns(7, "a.example", false), captured);
    script.server.datagram(dns(7, "a.example", true) + filled(20), captured);
    return script.finish().at(0);
  };
  const HopRecord whole = lookup(1000), cut = lookup(27);
  EXPECT_EQ(cut.resource, "a.example");
  EXPECT_EQ(cut.request.bytes, whole.request.bytes);
  EXPECT_EQ(cut.response.bytes, whole.response.bytes);
  EXPECT_EQ(cut.request.head_hash, whole.request.head_hash);
  EXPECT_EQ(cut.response.head_hash, 0u);
  EXPECT_EQ(cut.flags, whole.flags | record_flag::kTruncated);
}

TEST(SessionOfCutPackets, AClientHelloThatIsCutBeginsAnExchange) {
  Script script({}, 443);
  script.handshake();
  script.client.send_cut(client_hello("www.example.com"), 20);
  script.server.send(tls_record(22, filled(60)));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].protocol, "tls");
  EXPECT_TRUE(hops[0].request.seen() && hops[0].response.seen());
}

}  // namespace
}  // namespace hoptap::tests
