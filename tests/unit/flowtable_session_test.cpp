// From bytes to exchanges: detection, framing, gaps, turns, upgrades, mid-stream starts.
#include "flowtable/session.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::FlowTableConfig;
using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

TEST(Session, AResponseThatLastsToTheEndEndsWithItsLastByte) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.send("HTTP/1.1 200 OK\r\n\r\nbody");
  script.server.send("more");
  const std::uint64_t last_ns = script.now_ns;
  script.wait(kMillisecond);
  script.server.fin();
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.last_ns, last_ns);
  EXPECT_EQ(hops[0].flags & record_flag::kIncomplete, 0u);
}

TEST(Session, AnUnfinishedBodyIsMarked) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.send(ok(filled(100)).substr(0, 80));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_NE(hops[0].flags & record_flag::kIncomplete, 0u);
  EXPECT_EQ(hops[0].response.bytes, 80u);
}

TEST(Session, Pipelining) {
  Script script;
  script.handshake();
  script.client.send(get("/1") + get("/2") + get("/3"));
  script.server.send(ok("a") + ok("b", "404 No"));
  script.server.send(ok("c", "500 Oh"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(hops[i].resource, "/" + std::to_string(i + 1));
    EXPECT_EQ(hops[i].status, (std::array{200u, 404u, 500u}[i]));
  }
  EXPECT_EQ(hops[1].request.sequence, script.client.start() + get("/1").size());
}

TEST(Session, HeadAndInterimAndNoContent) {
  Script script;
  script.handshake();
  script.client.send("HEAD / HTTP/1.1\r\n\r\n");
  script.server.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  script.client.send("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  script.server.send("HTTP/1.1 100 Continue\r\n\r\n");
  script.client.send("abc");
  script.server.send("HTTP/1.1 204 No Content\r\n\r\n");
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].status, 200u);
  EXPECT_EQ(hops[1].status, 204u);
  EXPECT_NE(hops[1].flags & record_flag::kInterim, 0u);
  EXPECT_EQ(hops[0].flags & record_flag::kInterim, 0u);
}

TEST(Session, EmptyLinesBehindABodyBelongToNoMessage) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send(ok("abc") + "\r\n");
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const std::uint64_t first_ns = script.now_ns;
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[1].status, 404u);
  EXPECT_EQ(hops[1].response.first_ns, first_ns);
  EXPECT_EQ(hops[1].response.sequence, script.server.start() + ok("abc").size() + 2);
}

TEST(Session, ARequestThatEndedBeforeTheNextBeganEndsThen) {
  Script script;  // the head of the second request comes in two segments and is parsed with the second
  script.handshake();
  script.client.send(get("/1") + "GET /2");
  const std::uint64_t ended_ns = script.now_ns;
  script.client.send(" HTTP/1.1\r\n\r\n");
  script.server.send(ok("") + ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].request.last_ns, ended_ns);
  EXPECT_EQ(hops[1].request.first_ns, ended_ns);
  EXPECT_EQ(hops[1].request.last_ns, ended_ns + kMillisecond);
}

TEST(Session, AnUpgradeBeginsAnotherProtocol) {
  Script script;
  script.handshake();
  script.client.send("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
  script.server.send("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  const std::uint64_t upgraded_ns = script.now_ns;
  script.server.send("\x81\x02hi");
  script.client.send("\x81\x82zzzzzz");
  script.server.send("\x81\x03yes");
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  EXPECT_EQ(hops[0].status, 101u);
  EXPECT_EQ(hops[0].response.last_ns, upgraded_ns) << "the server's first words are not part of the response";
  EXPECT_NE(hops[0].flags & record_flag::kUpgraded, 0u);
  EXPECT_EQ(hops[1].protocol, "opaque");
  EXPECT_NE(hops[1].flags & record_flag::kRequestMissing, 0u) << "the server spoke first";
  EXPECT_TRUE(hops[2].request.seen() && hops[2].response.seen());
}

TEST(Session, ConnectLeadsToTls) {
  Script script({}, 8080);
  script.handshake();
  script.client.send("CONNECT a:443 HTTP/1.1\r\n\r\n");
  script.server.send("HTTP/1.1 200 OK\r\n\r\n");
  script.client.send(client_hello("a.example"));
  script.server.send(tls_record(22, filled(50)));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[1].protocol, "tls");
  EXPECT_EQ(hops[1].endpoint, "a.example");
}

TEST(Session, TlsTurns) {
  Script script({}, 443);
  script.handshake();
  script.client.send(client_hello("www.example.com"));
  script.server.send(tls_record(22, filled(100)) + tls_record(23, filled(50)));
  script.client.send(tls_record(20, "\1") + tls_record(23, filled(40)));
  script.client.send(tls_record(23, filled(40)));
  script.server.send(tls_record(23, filled(500)));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].endpoint, "www.example.com");
  EXPECT_NE(hops[0].flags & record_flag::kHandshake, 0u);
  EXPECT_EQ(hops[1].flags & record_flag::kHandshake, 0u) << "application data follows in the same turn";
  EXPECT_EQ(hops[1].request.bytes, 6u + 45 + 45);
  for (const HopRecord& hop : hops) EXPECT_NE(hop.flags & record_flag::kEncrypted, 0u);
}

TEST(Session, OpaqueTurnsAndAServerThatSpeaksFirst) {
  Script script({}, 25);
  script.handshake();
  script.server.send("220 ready\r\n");
  script.client.send("EHLO a\r\n");
  script.server.send("250-a\r\n");
  script.server.send("250 b\r\n");
  script.client.send("QUIT\r\n");
  script.server.send("221 bye\r\n");
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  EXPECT_NE(hops[0].flags & record_flag::kRequestMissing, 0u);
  EXPECT_EQ(hops[0].response.bytes, 11u);
  EXPECT_EQ(hops[1].response.bytes, 14u) << "two segments, one turn";
  for (const HopRecord& hop : hops) EXPECT_EQ(hop.protocol, "opaque");
}

TEST(Session, MidStreamStartInsideABody) {
  Script script;
  script.server.send(filled(500));
  script.server.send(filled(500));
  script.client.send(get("/2"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0].protocol, "opaque");
  EXPECT_EQ(hops[1].resource, "/2");
  EXPECT_EQ(hops[1].status, 200u);
  EXPECT_NE(hops[1].flags & record_flag::kMidStream, 0u);
}

TEST(Session, AGapInAHeadResyncs) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send(ok(""));
  script.client.send("GET /lost HTTP/1.1\r\nX: ");
  script.client.lose(50);
  script.server.ack();
  script.wait(10 * kMillisecond);
  script.client.ack();
  script.server.send(ok("", "404 No"));
  script.client.send(get("/3"));
  script.server.send(ok("", "500 Oh"));
  const auto& hops = script.finish();
  ASSERT_GE(hops.size(), 2u);
  const HopRecord& last = hops.back();
  EXPECT_EQ(last.resource, "/3");
  EXPECT_EQ(last.status, 500u) << "a client that has the last response settles the doubt";
  for (const HopRecord& hop : hops)
    if (hop.status == 404) {
      EXPECT_FALSE(hop.request.seen()) << "its request was lost: no pair";
    }
}

TEST(Session, AMessageWhoseEndWasNotCapturedSaysSo) {
  for (const bool cut : {false, true}) {
    Script script;
    script.handshake();
    script.client.send(get("/1"));
    script.server.send("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
    if (cut) {
      script.server.send_cut(std::string(40, 'x'), 10);
    } else {
      script.server.lose(40);
    }
    script.client.ack();
    script.wait(10 * kMillisecond);
    script.client.send(get("/2"));
    script.server.send(ok(""));
    const auto& hops = script.finish();
    ASSERT_EQ(hops.size(), 2u);
    EXPECT_EQ((hops[0].flags & record_flag::kResponseEndUnseen) != 0, !cut) << "a cut packet still has its time";
    EXPECT_EQ(hops[0].flags & record_flag::kRequestEndUnseen, 0u);
    EXPECT_EQ(hops[1].flags & record_flag::kResponseEndUnseen, 0u);
  }
}

TEST(Session, ALostPipelinedResponseInventsNoPair) {
  Script script;
  script.handshake();
  script.client.send(get("/1") + get("/2"));
  script.client.send(get("/3"));
  script.server.lose(ok("", "201 Lost").size());
  script.client.ack();
  script.wait(10 * kMillisecond);
  script.server.send(ok("", "202 Which"));
  script.client.ack();
  const auto& hops = script.finish();
  for (const HopRecord& hop : hops) EXPECT_FALSE(hop.request.seen() && hop.response.seen()) << hop.resource;
}

TEST(Session, AHeadThatComesByteByByteCountsWithAllItTakes) {
  Script script;
  script.handshake();
  script.client.send("GET / HTTP/1.1\r\nX: ");
  for (int n = 0; n < 500; ++n) script.client.send("x");
  EXPECT_GT(script.table.held_bytes(), 500u * 40u);
  script.client.send("\r\n\r\n");
  script.server.send(ok(""));
  EXPECT_EQ(script.table.held_bytes(), 0u);
  EXPECT_EQ(script.finish().size(), 1u);
}

TEST(Session, ALongHeadIsGivenUp) {
  FlowTableConfig config;
  config.head_bytes_max = 1000;
  Script script(config);
  script.handshake();
  script.client.send("GET / HTTP/1.1\r\nX: " + filled(600));
  script.client.send(filled(600));
  EXPECT_GT(script.table.counters().held_refused_bytes, 0u);
  script.client.send("\r\n\r\n" + get("/next"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  const auto next =
      std::find_if(hops.begin(), hops.end(), [](const HopRecord& hop) { return hop.resource == "/next"; });
  ASSERT_NE(next, hops.end());
  EXPECT_FALSE(next->response.seen()) << "the answer may be that of the request whose head was given up";
}

TEST(Session, AckWaitIsADelayedAcknowledgmentInsideAMessage) {
  Script script;
  script.handshake();
  script.client.send("PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\n");
  script.wait(40 * kMillisecond);
  script.server.ack();
  script.client.send("body");
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].request.ack_wait_ns, 41 * kMillisecond);
  EXPECT_EQ(hops[0].request.ack_release_ns, kMillisecond);
  EXPECT_EQ(hops[0].response.ack_wait_ns, 0u);
}

TEST(Session, DnsRetriesAndAnswers) {
  Script script({}, 53);
  script.client.datagram(dns(7, "a.example", false));
  const std::uint64_t asked_ns = script.now_ns;
  script.wait(kSecond);
  script.client.datagram(dns(7, "a.example", false));
  script.server.datagram(dns(7, "a.example", true));
  script.server.datagram(dns(7, "a.example", true));
  script.client.datagram(dns(8, "b.example", false));
  script.server.datagram(dns(8, "b.example", true, 3));
  script.server.datagram(dns(9, "c.example", true));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  const auto of = [&](std::uint64_t key) {
    return *std::find_if(hops.begin(), hops.end(), [=](auto& h) { return h.key == key; });
  };
  EXPECT_EQ(of(7).request.first_ns, asked_ns);
  EXPECT_EQ(of(7).request.copies, 1u);
  EXPECT_EQ(of(7).response.copies, 1u);
  EXPECT_EQ(of(8).status, 3u);
  EXPECT_NE(of(9).flags & record_flag::kRequestMissing, 0u);
}

TEST(Session, PeersOfOnePortMayBothAsk) {
  Script script({}, 5353);
  script.client = Peer(script, endpoint(1, 5353), 0, 64);
  script.client.datagram(dns(0, "a.local", false));
  script.client.datagram(dns(0, "b.local", true));  // an announcement, no answer to its own question
  script.server.datagram(dns(0, "c.local", false));
  script.client.datagram(dns(0, "c.local", true));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  for (const HopRecord& hop : hops) {
    EXPECT_EQ(hop.request.seen() && hop.response.seen(), hop.resource == "c.local") << hop.resource;
    EXPECT_EQ(hop.client, hop.resource == "a.local" ? script.client.self() : script.server.self()) << hop.resource;
  }
}

TEST(Session, DnsOverTcp) {
  Script script({}, 53);
  script.handshake();
  script.client.send(dns_tcp(1, "a.example", false) + dns_tcp(2, "b.example", false));
  script.server.send(dns_tcp(2, "b.example", true));
  script.server.send(dns_tcp(1, "a.example", true));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  for (const HopRecord& hop : hops) EXPECT_TRUE(hop.request.seen() && hop.response.seen());
}

TEST(Session, ATurnAcrossLostTurnsInventsNoPair) {
  Script script({}, 9999);
  script.handshake();
  script.client.send("question 1");
  script.server.lose(10);
  script.client.ack();
  script.wait(10 * kMillisecond);
  script.client.ack();
  script.client.lose(10);
  script.server.ack();
  script.wait(10 * kMillisecond);
  script.server.ack();
  script.server.send("answer 2");
  script.server.send("and more");
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  for (const HopRecord& hop : hops) EXPECT_FALSE(hop.request.seen() && hop.response.seen());
}

TEST(Session, ALostTurnDoesNotJoinItsNeighbours) {
  for (const bool lost_answer : {false, true}) {
    Script script({}, 9999);
    script.handshake();
    script.client.send("question 1");
    lost_answer ? script.server.lose(10) : script.server.send("answer 1  ");
    lost_answer ? script.client.send("question 2") : script.client.lose(10);
    if (lost_answer) script.client.send(", all of it");
    script.server.send("answer 2");
    const auto& hops = script.finish();
    ASSERT_EQ(hops.size(), 2u);
    EXPECT_EQ(hops[0].request.bytes, 10u);
    EXPECT_EQ(hops[0].response.bytes, lost_answer ? 0u : 10u);
    EXPECT_EQ(hops[1].request.bytes, lost_answer ? 21u : 0u);
    EXPECT_EQ(hops[1].response.bytes, 8u);
  }
}

TEST(Session, APauseInsideATurnIsPartOfItsTime) {
  Script script;
  script.handshake();
  script.client.send("ask");
  script.server.send("first half, ");
  script.client.ack();
  script.wait(1500 * kMillisecond);
  script.server.send("second half");
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.bytes, 23u);
  EXPECT_GE(hops[0].response.last_ns - hops[0].response.first_ns, 1500 * kMillisecond);
}

TEST(Session, AResponseBehindAHoleIsNotTheNextTurns) {
  Script script;
  script.handshake();
  script.client.send("\x01 first");
  script.server.lose(20);
  script.server.send("rest of the answer");
  script.client.ack();
  script.client.send("\x01 second");  // only now the hole is known to stay one
  script.wait(10 * kMillisecond);
  script.server.send("second answer");
  script.client.ack();
  int paired = 0;
  for (const HopRecord& hop : script.finish()) {
    if (!hop.request.seen() || !hop.response.seen()) continue;
    ++paired;
    EXPECT_GE(hop.response.first_ns, hop.request.first_ns);
    EXPECT_EQ(hop.response.bytes, hop.request.bytes == 7 ? 18u : 13u);
  }
  EXPECT_GE(paired, 1);
}

}  // namespace
}  // namespace hoptap::tests
