// Whole runs: what is in the captures is what the truth says, and TCP behaves.
#include <algorithm>
#include <set>

#include "appliance/forge/world.h"
#include "appliance/yaml/section.h"
#include "tests/unit/forge_run.h"

namespace hoptap::test {
namespace {

using boost::json::object;

const std::string kLongPath =
    "  - segment: {delay_us: {uniform: [10, 20]}}\n"
    "  - dnat: {service: '10.96.0.10:80'}\n"
    "  - point: node-a\n"
    "  - tunnel: {type: vxlan, id: 42}\n"
    "  - segment: {delay_us: {normal: [50, 5]}}\n"
    "  - router: {}\n"
    "  - point: fabric\n"
    "  - segment: {delay_us: {normal: [50, 5]}}\n"
    "  - tunnel_end: {}\n"
    "  - point: node-b\n"
    "  - segment: {delay_us: {uniform: [10, 20]}}\n";

std::string id_of(const std::string& payload) {
  const std::size_t at = payload.find("id=");
  return payload.substr(at + 3, payload.find(' ', at) - at - 3);
}

std::string text_of(const object& from, std::string_view key) { return std::string(from.at(key).as_string()); }

TEST(Forge, TheSameBytesForTheSameSeed) {
  const std::string text = scenario_text("requests: 60, response_bytes: {lognormal: [4000, 1]}", kLongPath,
                                         "[{kind: lose_request, segment: [fabric, node-b]}]");
  const std::string first = ForgeRun(text, 5).bytes();
  EXPECT_EQ(first, ForgeRun(text, 5).bytes());
  EXPECT_NE(first, ForgeRun(text, 6).bytes());
}

TEST(Forge, AFaultChangesNoOtherRequest) {
  const std::string quiet = scenario_text("requests: 60", kLongPath);
  const std::string faulty =
      scenario_text("requests: 60", kLongPath, "[{kind: server_slow, add_us: 3000, share: 0.1}]");
  const ForgeRun a(quiet);
  const ForgeRun b(faulty);
  int hit = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    const object& request = b.requests()[i];
    const bool is_hit = !request.at("fault").is_null();
    hit += is_hit;
    EXPECT_EQ(request.at("service_ns").as_int64() - a.requests()[i].at("service_ns").as_int64(), is_hit ? 3000000 : 0);
  }
  EXPECT_NEAR(hit, 6, 5);
}

/// First and last stamps in the captures are those of the truth, at every point, also with losses.
TEST(Forge, TruthIsWhatTheCapturesHold) {
  const ForgeRun run(scenario_text(
      "requests: 150, response_bytes: {pick: [500, 20000]}, request_bytes: {pick: [300, 5000]}", kLongPath,
      "[{kind: lose_request, segment: [fabric, node-b], share: 0.2},"
      " {kind: lose_response, segment: [node-a, fabric], share: 0.2}]"));
  std::map<std::string, std::map<std::string, std::int64_t>> first;
  for (const auto& [point, segments] : run.captures())
    for (const Segment& segment : segments)
      if (segment.is_request()) first[point].try_emplace(id_of(segment.payload), segment.time_ns);
  ASSERT_EQ(run.requests().size(), 150U);
  for (const object& request : run.requests()) {
    EXPECT_EQ(request.at("status").as_int64(), 200);
    std::int64_t before = 0;
    for (const auto& each : request.at("points").as_array()) {
      const object& at = each.as_object();
      EXPECT_EQ(at.at("request_first_ns").as_int64(), first[text_of(at, "point")][text_of(request, "id")]);
      EXPECT_TRUE(at.at("request_whole").as_bool() && at.at("response_whole").as_bool());
      EXPECT_GT(at.at("request_first_ns").as_int64(), before) << "points are in order";
      EXPECT_GE(at.at("request_last_ns").as_int64(), at.at("request_first_ns").as_int64());
      EXPECT_GE(at.at("response_last_ns").as_int64(), at.at("response_first_ns").as_int64());
      before = at.at("request_first_ns").as_int64();
    }
    const auto& client = request.at("points").as_array().front().as_object();
    EXPECT_EQ(request.at("response_time_ns").as_int64(),
              client.at("response_last_ns").as_int64() - client.at("request_first_ns").as_int64());
    const bool lost = !request.at("lost").as_array().empty();
    EXPECT_EQ(lost, !request.at("fault").is_null());
    if (lost) {
      EXPECT_FALSE(request.at("resent").as_array().empty());
    }
  }
}

TEST(Forge, HeadersAreThoseOfEachPlace) {
  const ForgeRun run(scenario_text("requests: 40", kLongPath));
  const auto request_at = [&](const char* point) {
    return *std::find_if(run.at(point).begin(), run.at(point).end(), [](const Segment& s) { return s.is_request(); });
  };
  const Segment client = request_at("client");
  const Segment node_a = request_at("node-a");
  const Segment fabric = request_at("fabric");
  const Segment server = request_at("server");
  EXPECT_EQ(client.target, 0x0a60000aU);
  EXPECT_EQ(client.ttl, 64);
  EXPECT_EQ(server.target, 0x0ac8000aU);
  EXPECT_EQ(server.target_port, 8080);
  EXPECT_EQ(server.ttl, 63) << "the router only sees the tunnel";
  EXPECT_TRUE(node_a.tunnels.empty() && server.tunnels.empty());
  EXPECT_EQ(fabric.tunnels, std::vector<std::string>{"vxlan"});
  for (const Segment* other : {&node_a, &fabric, &server}) {
    EXPECT_EQ(other->sequence, client.sequence);
    EXPECT_EQ(other->ip_id, client.ip_id);
    EXPECT_EQ(other->tsval, client.tsval);
  }
  EXPECT_EQ(std::set<std::string>({client.macs, node_a.macs, fabric.macs}).size(), 3U);
  for (const Segment& segment : run.at("client")) {
    if (segment.is_syn() && (segment.flags & 0x10) != 0) {
      EXPECT_EQ(segment.ip_id, 0);
    }
  }
}

TEST(Forge, ACopyHasItsOwnIdentification) {
  const ForgeRun run(
      scenario_text("requests: 40", kWire, "[{kind: lose_request, segment: [client, server], share: 1}]"));
  std::map<std::string, std::vector<Segment>> copies;
  for (const Segment& segment : run.at("client"))
    if (segment.is_request()) copies[id_of(segment.payload)].push_back(segment);
  ASSERT_EQ(copies.size(), 40U);
  for (const auto& [id, sent] : copies) {
    ASSERT_EQ(sent.size(), 2U) << id;
    EXPECT_EQ(sent[0].sequence, sent[1].sequence);
    EXPECT_NE(sent[0].ip_id, sent[1].ip_id);
    EXPECT_GE(sent[1].tsval - sent[0].tsval, 200U);
  }
  EXPECT_EQ(run.resent("request", "probe", false), 40) << "a tail-loss probe comes first, RFC 8985";
}

struct Resending {
  const char* name;
  std::string traffic;
  const char* fault;
  const char* message;
  const char* cause;
  bool spurious;
};

TEST(Forge, EveryKindOfRetransmissionOccurs) {
  const Resending cases[] = {
      {"middle of a long response", "requests: 80, response_bytes: 30000",
       "{kind: lose_response, segment: [client, server], share: 0.5}", "response", "fast", false},
      {"tail of a response", "requests: 80, response_bytes: 2500",
       "{kind: lose_response, segment: [client, server], share: 0.5}", "response", "probe", false},
      {"a delay beyond the timeout", "requests: 40",
       "{kind: delay, segment: [client, server], add_us: 700000, share: 0.2}", "request", "rto", true},
      {"acknowledgments lost", "requests: 60", "{kind: lose_ack, segment: [client, server], share: 0.3}", "response",
       "probe", true},
  };
  for (const Resending& one : cases) {
    const ForgeRun run(scenario_text(one.traffic, kWire, std::string("[") + one.fault + "]"));
    EXPECT_GT(run.resent(one.message, one.cause, one.spurious), 0) << one.name;
    for (const object& request : run.requests()) {
      if (!std::string(one.fault).starts_with("{kind: lose_ack") || request.at("fault").is_null()) continue;
      EXPECT_FALSE(request.at("resent").as_array().empty()) << one.name;
    }
  }
}

/// How many bytes differ from what another segment has at the same place of its connection, or begin nowhere.
int contradictions(const std::vector<Segment>& segments) {
  struct Known {
    std::uint32_t first = 0;
    std::string bytes;  // 0: not seen
  };
  std::map<std::tuple<std::uint32_t, std::uint16_t, std::uint32_t, std::uint16_t>, Known> streams;
  int found = 0;
  for (const Segment& segment : segments) {
    Known& known = streams[std::tuple(segment.source, segment.source_port, segment.target, segment.target_port)];
    if (segment.is_syn() && known.first != segment.sequence + 1) known = {segment.sequence + 1, {}};
    const std::uint32_t at = segment.sequence - known.first;
    if (segment.payload.empty() || at > (1U << 24)) {
      found += !segment.payload.empty();
      continue;
    }
    known.bytes.resize(std::max<std::size_t>(known.bytes.size(), at + segment.payload.size()));
    for (std::size_t i = 0; i < segment.payload.size(); ++i) {
      char& byte = known.bytes[at + i];
      found += byte != 0 && byte != segment.payload[i];
      byte = segment.payload[i];
    }
  }
  return found;
}

/// Bytes that are sent again are the same bytes, at every point, however they are cut and renumbered.
TEST(Forge, StreamsAreConsistentOnRoughWire) {
  for (const char* box : {"router: {}", "rewrite: {kind: firewall}", "rewrite: {kind: fullnat}",
                          "rewrite: {kind: synproxy}", "tso: {mss: 1448}", "tso: {big: server}", "snat: {}"}) {
    const ForgeRun run(scenario_text(
        "requests: 80, response_bytes: {lognormal: [9000, 1]}, request_bytes: {pick: [300, 6000]}",
        "  - segment: {delay_us: {normal: [200, 60]}, loss: 0.02, duplicate: 0.02, reorder: 0.02}\n  - " +
            std::string(box) + "\n  - point: middle\n  - segment: {delay_us: {normal: [200, 60]}, loss: 0.02}\n"));
    for (const object& request : run.requests()) EXPECT_EQ(request.at("status").as_int64(), 200) << box;
    for (const auto& [point, segments] : run.captures())
      EXPECT_EQ(contradictions(segments), 0) << box << " at " << point;
  }
}

TEST(Forge, AcknowledgmentsFitWhatTheyAcknowledge) {
  for (const char* box : {"firewall", "fullnat", "synproxy"}) {
    const ForgeRun run(scenario_text("requests: 80, response_bytes: 15000",
                                     kWire + "  - rewrite: {kind: " + box + "}\n  - point: behind\n" + kWire,
                                     "[{kind: lose_response, segment: [client, behind], share: 0.3}]"));
    for (const auto& [point, segments] : run.captures()) {
      std::map<std::tuple<std::uint32_t, std::uint16_t, std::uint32_t, std::uint16_t>, std::uint32_t>
          end;  // of what each end has sent, highest
      for (const Segment& segment : segments) {
        const auto sent = std::tuple(segment.source, segment.source_port, segment.target, segment.target_port);
        const std::uint32_t behind =
            segment.sequence + static_cast<std::uint32_t>(segment.payload.size()) + (segment.flags & 3 ? 1 : 0);
        if (segment.is_syn() || static_cast<std::int32_t>(behind - end[sent]) > 0) end[sent] = behind;
        const auto peer =
            end.find(std::tuple(segment.target, segment.target_port, segment.source, segment.source_port));
        if (peer == end.end() || (segment.flags & 0x10) == 0) continue;
        EXPECT_LE(static_cast<std::int32_t>(segment.acknowledgment - peer->second), 0) << box << " at " << point;
        EXPECT_GT(static_cast<std::int32_t>(segment.acknowledgment - peer->second), -70000) << box << " at " << point;
        for (const std::uint32_t edge : segment.sacks)
          EXPECT_LT(std::abs(static_cast<std::int32_t>(edge - peer->second)), 70000) << box << " at " << point;
      }
    }
  }
}

TEST(Forge, RewritersDoWhatTheirKindDoes) {
  const auto pair = [](const ForgeRun& run, bool response) {
    const auto find = [&](const char* point) {
      return *std::find_if(run.at(point).begin(), run.at(point).end(), [&](const Segment& segment) {
        return response ? segment.payload.starts_with("HTTP") : segment.is_request();
      });
    };
    return std::pair(find("client"), find("server"));
  };
  struct Kind {
    const char* element;
    bool request_sequence, response_sequence, timestamps, response_tsval;
  };
  const Kind kinds[] = {{"rewrite: {kind: fullnat}", false, true, false, true},
                        {"rewrite: {kind: firewall}", false, false, true, true},
                        {"rewrite: {kind: synproxy}", true, false, true, false},
                        {"snat: {}", true, true, true, true}};
  for (const Kind& kind : kinds) {
    const ForgeRun run(scenario_text("requests: 5", kWire + "  - " + kind.element + "\n" + kWire));
    const auto [request, behind] = pair(run, false);
    const auto [response, before] = pair(run, true);
    EXPECT_EQ(request.sequence == behind.sequence, kind.request_sequence) << kind.element;
    EXPECT_EQ(response.sequence == before.sequence, kind.response_sequence) << kind.element;
    EXPECT_EQ(request.timestamps, kind.timestamps) << kind.element;
    EXPECT_EQ(request.tsval, behind.tsval) << kind.element;
    EXPECT_EQ(response.tsval == before.tsval, kind.response_tsval) << kind.element;
    EXPECT_EQ(request.ip_id, behind.ip_id) << kind.element;
    EXPECT_EQ(request.payload, behind.payload) << kind.element;
  }
}

TEST(Forge, OffloadCutsAndJoins) {
  const ForgeRun run(
      scenario_text("requests: 40, request_bytes: 9000, response_bytes: 40000", "  - tso: {mss: 1448}\n" + kWire));
  const auto largest = [](const std::vector<Segment>& segments) {
    std::size_t bytes = 0;
    for (const Segment& segment : segments) bytes = std::max(bytes, segment.payload.size());
    return bytes;
  };
  EXPECT_GT(largest(run.at("client")), 5000U);
  EXPECT_EQ(largest(run.at("server")), 1448U);
  const auto big = std::find_if(run.at("client").begin(), run.at("client").end(), [](const Segment& segment) {
    return segment.is_request() && segment.payload.size() > 5000;
  });
  ASSERT_NE(big, run.at("client").end());
  int pieces = 0;
  for (const Segment& piece : run.at("server")) {
    const std::uint32_t offset = piece.sequence - big->sequence;
    if (piece.source != big->source || piece.source_port != big->source_port || piece.payload.empty() ||
        offset >= big->payload.size())
      continue;
    EXPECT_EQ(piece.ip_id, static_cast<std::uint16_t>(big->ip_id + offset / 1448)) << "as a network card numbers them";
    EXPECT_EQ(piece.payload, big->payload.substr(offset, piece.payload.size()));
    ++pieces;
  }
  EXPECT_EQ(pieces, 7);
}

TEST(Forge, WindowsCloseAndOpen) {
  for (const char* by : {"client", "server"}) {
    const ForgeRun run(scenario_text("requests: 30, rate_per_s: 40", kWire,
                                     std::string("[{kind: zero_window, for_us: 500000, share: 0.3, by: ") + by + "}]"));
    int probes = 0;
    for (const object& request : run.requests()) {
      const std::int64_t waited = request.at("zero_window_ns").as_int64();
      if (request.at("fault").is_null()) {
        EXPECT_EQ(waited, 0);
        continue;
      }
      EXPECT_NEAR(static_cast<double>(waited), 500.1e6, 0.2e6) << by;
      EXPECT_GT(request.at("response_time_ns").as_int64(), waited);
      probes += static_cast<int>(request.at("resent").as_array().size());
    }
    EXPECT_GT(probes, 0) << by;
    const bool shown = std::any_of(run.at("server").begin(), run.at("server").end(), [&](const Segment& segment) {
      return segment.window == 0 && (segment.target_port == 8080) == (std::string_view(by) == "client");
    });
    EXPECT_TRUE(shown) << by;
  }
}

TEST(Forge, ResetsAreSeenWhereTheyShould) {
  for (const char* by : {"server", "client", "middlebox"}) {
    const std::string segment = std::string_view(by) == "middlebox" ? ", segment: [a, b]" : "";
    const ForgeRun run(scenario_text("requests: 40",
                                     kWire + "  - router: {}\n  - point: a\n" + kWire + "  - point: b\n" + kWire,
                                     std::string("[{kind: reset, share: 0.2, by: ") + by + segment + "}]"));
    int reset = 0;
    for (const object& request : run.requests()) {
      if (request.at("fault").is_null()) continue;
      ++reset;
      EXPECT_EQ(request.at("status").as_int64(), 0);
      EXPECT_EQ(text_of(request.at("reset").as_object(), "by"), by);
    }
    ASSERT_GT(reset, 0);
    const auto count = [&](const char* point, bool to_server) {
      return std::count_if(run.at(point).begin(), run.at(point).end(),
                           [&](const Segment& s) { return s.is_rst() && (s.target_port == 8080) == to_server; });
    };
    const bool middle = std::string_view(by) == "middlebox";
    const bool client = std::string_view(by) == "client";
    EXPECT_EQ(count("a", false), client ? 0 : reset) << by;
    EXPECT_EQ(count("b", false), client || middle ? 0 : reset) << by;
    EXPECT_GE(count("b", true), middle || client ? reset : 0) << by;
    if (middle) {
      for (const Segment& s : run.at("b"))
        if (s.is_rst() && s.ttl == 64) {  // others are the client's kernel's, to what was still on its way
          EXPECT_TRUE(s.ip_id == 0 && s.window == 0);
        }
    }
  }
}

TEST(Forge, PortsComeAgainAndAddressesAreTranslated) {
  const ForgeRun run(
      scenario_text("requests: 300, connections: 2, clients: 1, requests_per_connection: 2, rate_per_s: 20",
                    kWire + "  - snat: {address: 192.0.2.9}\n"));
  std::map<std::uint16_t, std::set<std::uint32_t>> sequences;
  for (const Segment& segment : run.at("client"))
    if (segment.is_syn() && segment.target_port == 8080) sequences[segment.source_port].insert(segment.sequence);
  EXPECT_TRUE(std::any_of(sequences.begin(), sequences.end(), [](const auto& port) { return port.second.size() > 1; }));
  for (const Segment& segment : run.at("server"))
    if (segment.target_port == 8080) {
      EXPECT_EQ(segment.source, 0xc0000209U);
    }
}

TEST(Forge, MirrorsLoseDoubleAndCut) {
  const ForgeRun run("name: t\ntraffic: {requests: 300}\npath:\n  - point: client\n" + kWire +
                     "  - {point: poor, mirror: {loss: 0.2, duplicate: 0.1, reorder: 0.05}}\n"
                     "  - {point: short, mirror: {truncate_bytes: 96}}\n"
                     "  - {point: one-way, sees: response}\n" +
                     kWire + "  - point: server\n");
  const double all = static_cast<double>(run.at("client").size());
  EXPECT_NEAR(static_cast<double>(run.at("poor").size()), all * 0.8 * 1.1, all * 0.05);
  EXPECT_EQ(run.at("short").size(), run.at("client").size());
  const auto& poor = run.at("poor");
  EXPECT_FALSE(std::is_sorted(poor.begin(), poor.end(),
                              [](const Segment& a, const Segment& b) { return a.time_ns < b.time_ns; }));
  for (const Segment& segment : run.at("one-way")) EXPECT_EQ(segment.source_port, 8080);
  int missed = 0;
  for (const object& request : run.requests()) {
    const auto& points = request.at("points").as_array();
    missed += !points[1].at("request_whole").as_bool();
    EXPECT_GT(points[1].at("request_first_ns").as_int64(), 0) << "it passed, captured or not";
    EXPECT_TRUE(points[2].at("request_any").as_bool());
    EXPECT_FALSE(points[2].at("request_whole").as_bool());
    EXPECT_FALSE(points[3].at("request_any").as_bool());
    EXPECT_TRUE(points[3].at("response_whole").as_bool());
  }
  EXPECT_NEAR(missed, 60, 30);
}

TEST(Forge, GatewaysAskOnAndPassIdsThrough) {
  const ForgeRun run(
      scenario_text("requests: 80, header_ids: [x-request-id]",
                    kWire + "  - point: front\n  - gateway: {service_us: 200}\n  - point: back\n" + kWire));
  std::map<std::string, std::string> ids;
  const auto header = [](const std::string& payload) {
    const std::size_t at = payload.find("x-request-id: ");
    return payload.substr(at, payload.find('\r', at) - at);
  };
  for (const Segment& segment : run.at("front"))
    if (segment.is_request()) ids[id_of(segment.payload)] = header(segment.payload);
  std::set<std::string> seen;
  for (const Segment& segment : run.at("back")) {
    if (!segment.is_request()) continue;
    EXPECT_EQ(header(segment.payload), ids.at(id_of(segment.payload)));
    seen.insert(header(segment.payload));
  }
  EXPECT_EQ(seen.size(), 80U);
  for (const object& request : run.requests()) EXPECT_EQ(request.at("points").as_array().size(), 4U);
}

TEST(Forge, EveryBranchIsUsedAndMidStreamHasNoHandshake) {
  const ForgeRun run(
      scenario_text("requests: 100, connections: 16, requests_per_connection: 5, mid_stream: 1, pipeline: 2",
                    "  - ecmp: [[{segment: {delay_us: 20}}, {point: left}], [{segment: {delay_us: 30}}, "
                    "{point: right}]]\n"));
  EXPECT_FALSE(run.at("left").empty() || run.at("right").empty());
  for (const auto& [point, segments] : run.captures())
    for (const Segment& segment : segments) EXPECT_FALSE(segment.is_syn()) << point;
  for (const object& request : run.requests()) EXPECT_EQ(request.at("points").as_array().size(), 3U);
}

TEST(Forge, AHostHasNoMorePortsThanThereAre) {
  forge::Ports ports(1);
  std::set<std::uint16_t> taken;
  for (int i = 0; i < 32768; ++i) taken.insert(ports.take(0));
  EXPECT_EQ(taken.size(), 32768U);
  EXPECT_EQ(*taken.begin(), 32768);
  EXPECT_THROW(ports.take(0), appliance::YamlError);
  ports.give_back(65535, 0);
  EXPECT_THROW(ports.take(0), appliance::YamlError) << "it rests";
  EXPECT_EQ(ports.take(10 * forge::kSecond), 65535);
}

/// Far more connections than live at a time, through a gateway, with losses and resets: none is missed when it is gone.
TEST(Forge, ConnectionsAreFreedWhenTheyAreOver) {
  const ForgeRun run(scenario_text("requests: 3000, requests_per_connection: 1, rate_per_s: 100",
                                   "  - segment: {delay_us: 50, loss: 0.02, duplicate: 0.02, reorder: 0.02}\n"
                                   "  - point: front\n  - gateway: {service_us: 200}\n  - point: back\n" +
                                       kWire,
                                   "[{kind: reset, by: server, share: 0.1}, {kind: reset, by: client, share: 0.1}]"));
  EXPECT_EQ(run.requests().size(), 3000U);
}

TEST(Forge, WrongPathsAreToldWithTheirLine) {
  const std::pair<std::string, const char*> wrongs[] = {
      {"  - point: client\n", "test.yaml:5: there are two points 'client'"},
      {"  - tunnel: {type: gre}\n" + kWire, "no tunnel_end"},
      {"  - tunnel_end: {}\n", "test.yaml:5: a tunnel_end without a tunnel"},
      {"  - router: {}\n", "there is no '- segment:' between client and server"},
      {kWire + "  - point: between\n" + kWire, "do not follow each other"},
  };
  for (const auto& [middle, complaint] : wrongs) {
    try {
      const ForgeRun run(scenario_text("requests: 1", middle, "[{kind: lose_request, segment: [client, server]}]"));
      ADD_FAILURE() << middle;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(complaint), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace hoptap::test
