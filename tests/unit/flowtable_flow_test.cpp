// One leg: handshake, who is the client, resets, windows, reuse of ports.
#include "flowtable/flow.h"

#include <gtest/gtest.h>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::CloseType;
namespace closing = flowtable::closing;
namespace record_flag = flowtable::record_flag;

TEST(Flow, Handshake) {
  Script script;
  script.client.syn();
  script.client.syn();
  script.server.syn();
  script.client.ack();
  script.finish();
  ASSERT_EQ(script.records.legs.size(), 1u);
  const auto& leg = script.records.legs[0];
  EXPECT_EQ(leg.client_isn, 1000u);
  EXPECT_EQ(leg.server_isn, 5000u);
  EXPECT_EQ(leg.syn_ack_ns - leg.syn_ns, 2 * kMillisecond);
  EXPECT_EQ(leg.ack_ns - leg.syn_ack_ns, kMillisecond);
  EXPECT_EQ(leg.to_server.syn_copies, 1u);
  EXPECT_NE(leg.flags & record_flag::kHandshakeSeen, 0u);
  EXPECT_EQ(leg.flags & record_flag::kMidStream, 0u);
}

TEST(Flow, TheFirstBytesTellWhoIsTheClient) {
  Script script({}, 50000);  // by ports, the server would be the client
  script.client.send(get("/"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].server.port, 50000);
}

TEST(Flow, AServerSeenFirst) {
  Script script;
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].server.port, 80);
  EXPECT_NE(hops[0].flags & record_flag::kOneDirection, 0u);
}

TEST(Flow, HowItEnds) {
  for (const bool reset : {false, true}) {
    Script script;
    script.handshake();
    script.client.send(get("/"));
    if (reset) {
      script.server.reset();
    } else {
      script.server.send(ok(""));
      script.server.fin();
      script.client.fin();
    }
    script.finish();
    const auto& leg = script.records.legs[0];
    EXPECT_EQ(leg.close, reset ? CloseType::kReset : CloseType::kFin);
    EXPECT_EQ(leg.closing, reset ? closing::kServerReset : closing::kServerFin | closing::kClientFin);
    EXPECT_EQ(script.records.hops[0].response.seen(), !reset);
    const auto& record = script.records.hops[0];
    EXPECT_EQ(record.to_client_reset.seen(), reset);
    EXPECT_EQ(record.to_client_reset.ttl, reset ? 64 : 0);
    EXPECT_EQ(record.to_client_reset.usual_ttl, reset ? 64 : 0) << "of the SYN-ACK";
    EXPECT_FALSE(record.to_server_reset.seen());
  }
}

TEST(Flow, ZeroWindow) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.client.set_window(0);
  script.client.ack();
  script.wait(30 * kMillisecond);
  script.client.set_window(1000);
  script.client.ack();
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.zero_window_ns, 31 * kMillisecond);
}

TEST(Flow, PortsUsedAgain) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send(ok(""));
  script.client.fin();
  script.server.fin();
  script.client = Peer(script, script.client.self(), 900'000, 64);
  script.server = Peer(script, script.server.self(), 700'000, 64);
  script.handshake();
  script.client.send(get("/2"));
  script.server.send(ok("", "404 No"));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[1].status, 404u);
  EXPECT_NE(hops[0].leg_id, hops[1].leg_id);
  EXPECT_EQ(hops[1].client_isn, 900'000u);
}

TEST(Flow, AWindowThatStaysAtZero) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.client.set_window(0);
  script.client.ack();
  script.wait(30 * kMillisecond);
  script.client.ack();
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.zero_window_ns, 31 * kMillisecond);
}

TEST(Flow, AHandshakeDecidesWhoIsTheClient) {
  Script script({}, 53);
  script.client.ack();  // a stray packet of an earlier connection comes first
  script.handshake();
  script.client.send(dns_tcp(1, "a.example", true));  // its first bytes look like a server's
  script.finish();
  ASSERT_EQ(script.records.legs.size(), 1u);
  EXPECT_EQ(script.records.legs[0].server.port, 53);
}

}  // namespace
}  // namespace hoptap::tests
