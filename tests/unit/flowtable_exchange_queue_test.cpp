// Copies, acknowledgments, limits and doubtful pairs.
#include "flowtable/exchange_queue.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::FlowTableConfig;

TEST(ExchangeQueue, CopiesOfTheFirstByteAreKept) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  const std::uint64_t first_ns = script.now_ns;
  script.client.send_at(0, get("/1").substr(0, 5));
  script.client.send_at(0, get("/1"));
  script.client.send_at(3, get("/1").substr(3));  // not the first byte
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].request.copies, 2u);
  EXPECT_EQ(hops[0].request.copy[0].delay_ns, kMillisecond);
  EXPECT_EQ(hops[0].request.last_copy_ns, first_ns + 3 * kMillisecond);
  EXPECT_EQ(hops[0].request.retransmissions, 3u);
}

TEST(ExchangeQueue, AMergedRetransmissionCopiesBothMessages) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.client.send(get("/2"));
  script.client.send_at(0, get("/1") + get("/2"));
  script.server.send(ok("") + ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  for (const auto& hop : hops) EXPECT_EQ(hop.request.copies, 1u);
}

TEST(ExchangeQueue, TheFirstAcknowledgmentOfAllOfAMessageIsKept) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.ack_at(3);
  script.server.ack();
  const std::uint64_t ack_ns = script.now_ns;
  script.server.ack();
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].request.ack_ns, ack_ns);
}

TEST(ExchangeQueue, AResponseMustAcknowledgeItsRequest) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.set_acknowledged(0);
  script.server.send(ok("", "408 Timeout"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  for (const auto& hop : hops) EXPECT_NE(hop.request.seen(), hop.response.seen());
}

TEST(ExchangeQueue, ExchangesHaveALimit) {
  FlowTableConfig config;
  config.exchanges_flow_max = 4;
  Script script(config);
  script.handshake();
  for (int i = 0; i < 10; ++i) script.client.send(get("/"));
  EXPECT_GT(script.table.counters().exchanges_refused, 0u);
  EXPECT_EQ(script.finish().size(), 10u);
}

/// A request of another connection: its client has another port.
void open_other(Script& script, std::uint16_t port, const std::string& text) {
  Peer other(script, endpoint(1, port), 1000, 64);
  other.syn();
  other.ack();
  other.send(text);
}

TEST(ExchangeQueue, AllConnectionsTogetherHaveALimit) {
  FlowTableConfig config;
  config.exchanges_max = 8;
  Script script(config);
  script.handshake();
  for (std::uint16_t n = 0; n < 20; ++n) open_other(script, static_cast<std::uint16_t>(50000 + n), get("/"));
  EXPECT_EQ(script.table.counters().exchanges_refused, 12u);
  EXPECT_EQ(script.finish().size(), 8u);
  EXPECT_EQ(script.records.legs.size(), 21u) << "the connections are there all the same";
}

TEST(ExchangeQueue, ARequestThatWasRefusedIsNotAnsweredByAnother) {
  FlowTableConfig config;
  config.exchanges_max = 1;
  Script script(config);
  open_other(script, 50000, get("/first"));
  script.handshake();
  script.client.send(get("/refused"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].resource, "/first");
  EXPECT_FALSE(hops[0].response.seen());
}

TEST(ExchangeQueue, TextsHaveALimitAndTheirExchangesDoWithoutThem) {
  FlowTableConfig config;
  config.text_bytes_max = 2000;
  Script script(config);
  script.handshake();
  const std::string longer = "/" + std::string(1500, 'x');
  script.client.send(get("/small"));
  script.client.send(get(longer));
  script.client.send(get(longer + "2"));  // beyond
  for (int n = 0; n < 3; ++n) script.server.send(ok(""));
  script.client.ack();
  script.client.send(get("/"));  // those before are given out
  script.server.send(ok(""));
  script.client.send(get(longer));  // there is room again
  script.server.send(ok(""));
  EXPECT_EQ(script.table.counters().texts_refused, 1u);
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 5u);
  EXPECT_EQ(hops[0].resource, "/small");
  EXPECT_EQ(hops[1].resource, longer);
  EXPECT_EQ(hops[2].resource, "");
  EXPECT_EQ(hops[2].method, "GET");
  EXPECT_EQ(hops[2].status, 200u);
  EXPECT_EQ(hops[4].resource, longer);
}

TEST(ExchangeQueue, UnderStrainThereAreNoTexts) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send(ok(""));
  script.table.set_strain(flowtable::Strain::kNoTexts);
  script.client.send(get("/2"));
  script.server.send(ok(""));
  script.table.set_strain(flowtable::Strain::kNone);
  script.client.send(get("/3"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  EXPECT_EQ(hops[0].resource, "/1");
  EXPECT_EQ(hops[1].resource, "");
  EXPECT_EQ(hops[1].endpoint, "");
  EXPECT_TRUE(hops[1].response.seen());
  EXPECT_EQ(hops[2].resource, "/3");
}

TEST(ExchangeQueue, UnderMoreStrainNewConnectionsHaveNoMessagesThenAreNotBegun) {
  Script script;
  script.handshake();
  script.client.send(get("/old"));
  script.table.set_strain(flowtable::Strain::kNoNewMessages);
  open_other(script, 50001, get("/new"));
  script.table.set_strain(flowtable::Strain::kNoNewFlows);
  open_other(script, 50002, get("/newer"));
  script.server.send(ok(""));
  EXPECT_EQ(script.table.counters().strained_packets, 3u);
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_TRUE(hops[0].response.seen()) << "what was begun goes on";
  EXPECT_EQ(script.records.legs.size(), 2u);
}

TEST(ExchangeQueue, AResponseOfARefusedExchangeAnswersNoOther) {
  FlowTableConfig config;
  config.exchanges_flow_max = 4;
  Script script(config);
  script.handshake();
  for (int i = 1; i <= 5; ++i) script.client.send(get("/" + std::to_string(i)));
  for (int i = 1; i <= 5; ++i) script.server.send(ok("", "20" + std::to_string(i) + " Ok"));
  script.client.send(get("/6"));
  script.server.send(ok("", "206 Ok"));
  const auto& hops = script.finish();
  ASSERT_GE(hops.size(), 7u);
  for (const auto& hop : hops)
    EXPECT_TRUE(!hop.request.seen() || !hop.response.seen() ||
                hop.status == 200u + static_cast<std::uint32_t>(hop.resource[1] - '0'))
        << hop.resource << " " << hop.status;
}

TEST(ExchangeQueue, AKeyPairsWhateverWasLost) {
  Script script({}, 53);
  script.handshake();
  script.client.send(dns_tcp(1, "a.example", false));
  script.client.lose(dns_tcp(2, "b.example", false).size());
  script.server.ack();
  script.wait(10 * kMillisecond);
  script.server.ack();
  script.client.send(dns_tcp(3, "c.example", false));
  script.client.send(dns_tcp(4, "d.example", false));
  script.server.send(dns_tcp(3, "c.example", true));
  script.server.send(dns_tcp(1, "a.example", true));
  script.server.send(dns_tcp(4, "d.example", true));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  for (const auto& hop : hops) EXPECT_TRUE(hop.request.seen() && hop.response.seen()) << hop.key;
}

TEST(ExchangeQueue, WhatAwaitsItsAcknowledgmentWhenKeysBeginIsGivenOutOnceItHasIt) {
  Script script({}, 53);
  script.handshake();
  script.client.send("hello, who is there?");
  script.server.send("nobody");
  script.client.set_acknowledged(0);
  for (std::uint16_t id = 1; id <= 2; ++id) {
    script.client.send(dns_tcp(id, "a.example", false));
    script.server.send(dns_tcp(id, "a.example", true));
  }
  EXPECT_TRUE(script.records.hops.empty());
  script.client.ack_at(6);
  script.server.send(dns_tcp(3, "a.example", true));
  ASSERT_EQ(script.records.hops.size(), 1u);
  EXPECT_EQ(script.records.hops[0].protocol, "opaque");
  EXPECT_NE(script.records.hops[0].response.ack_ns, 0u);
}

TEST(ExchangeQueue, HundredsInFlightAreAllPairedAndAcknowledged) {
  constexpr int kCount = 500;
  Script script;
  script.handshake();
  for (int at = 0; at < kCount; ++at) {
    script.client.send(get("/" + std::to_string(at)));
    script.server.ack();
  }
  script.client.send_at(0, get("/0"));  // a copy of one of so many is not looked for
  for (int at = 0; at < kCount; ++at) {
    script.server.send(ok(std::to_string(at)));
    script.client.ack();
  }
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), std::size_t{kCount});
  for (int at = 0; at < kCount; ++at) {
    EXPECT_EQ(hops[static_cast<std::size_t>(at)].resource, "/" + std::to_string(at));
    EXPECT_TRUE(hops[static_cast<std::size_t>(at)].response.seen());
    EXPECT_NE(hops[static_cast<std::size_t>(at)].request.ack_ns, 0u);
    // With more than 64 in flight, answers are not kept until they are acknowledged.
    if (at >= kCount - 60) {
      EXPECT_NE(hops[static_cast<std::size_t>(at)].response.ack_ns, 0u);
    }
  }
}

/// Answers in the opposite order; ids that are equal in their low bits, and one that never gets an answer.
TEST(ExchangeQueue, HundredsOfIdsAreAllPaired) {
  constexpr std::uint16_t kCount = 250;
  for (const bool tcp : {false, true}) {
    Script script({}, 53);
    if (tcp) script.handshake();
    const auto say = [&](Peer& peer, std::uint16_t number, bool response) {
      const auto id = static_cast<std::uint16_t>(number * 256);
      const std::string name = "host" + std::to_string(number);
      tcp ? peer.send(dns_tcp(id, name, response)) : peer.datagram(dns(id, name, response));
    };
    for (std::uint16_t number = 0; number < kCount; ++number) say(script.client, number, false);
    for (std::uint16_t number = kCount; number > 1; --number) say(script.server, number - 1, true);
    if (tcp) script.client.ack();
    const auto& hops = script.finish();
    ASSERT_EQ(hops.size(), std::size_t{kCount});
    for (const auto& hop : hops) EXPECT_EQ(hop.response.seen(), hop.key != 0) << hop.key;
  }
}

TEST(ExchangeQueue, TheLatestQuestionOfAnIdIsAnswered) {
  Script script({}, 53);
  script.client.datagram(dns(7, "a", false));
  script.client.datagram(dns(7, "b", false));
  script.server.datagram(dns(7, "b", true));
  script.server.datagram(dns(7, "b", true));  // a copy? an answer to the first question
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  for (const auto& hop : hops) EXPECT_TRUE(hop.response.seen());
  EXPECT_EQ(script.table.counters().orphan_responses, 0u);
}

}  // namespace
}  // namespace hoptap::tests
