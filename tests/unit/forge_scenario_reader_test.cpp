#include "appliance/forge/scenario_reader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "appliance/forge/random.h"

namespace hoptap::forge {
namespace {

const std::string kHead = "name: t\ntraffic: {requests: 3}\n";
const std::string kPath = "path: [{point: a}, {segment: {delay_us: 5}}, {point: b}]\n";

struct Wrong {
  std::string text;
  const char* complaint;
};

TEST(ForgeScenarioReader, SaysWhereAndHowToMendIt) {
  const Wrong wrongs[] = {
      {"", "t.yaml: a scenario needs 'name'"},
      {"name: [a", "t.yaml:1: is not YAML"},
      {"just text", "t.yaml:1: a scenario is written as a map"},
      {"name: t\n", "needs 'traffic'"},
      {"name: T\ntraffic: {requests: 1}\n" + kPath, "t.yaml:1: name of a scenario is small letters"},
      {kHead + kPath + "sed: 3\n", "t.yaml:4: 'sed' is not a key of a scenario; did you mean seed?"},
      {kHead + kPath + "seed: 3\nseed: 4\n", "t.yaml:5: 'seed' stands twice"},
      {kHead + kPath + "seed: 1.5\n", "is a whole number"},
      {"name: t\ntraffic: {requests: 0}\n" + kPath, "t.yaml:2: requests of traffic is 0; it must be between 1 and"},
      {"name: t\ntraffic: {requests: 20000000}\n" + kPath, "must be between 1 and 10000000"},
      {"name: t\ntraffic: {requests: 1, rate: 3}\n" + kPath, "did you mean rate_per_s?"},
      {"name: t\ntraffic: {requests: many}\n" + kPath, "requests of traffic is 'many', not a number"},
      {"name: t\ntraffic: {requests: 1, header_ids: [x-id]}\n" + kPath, "'x-id' is not one of x-request-id"},
      {"name: t\ntraffic: {requests: 1, service_us: {uniform: [5]}}\n" + kPath, "needs 2 numbers"},
      {"name: t\ntraffic: {requests: 1, service_us: {uniform: [5, 3]}}\n" + kPath, "is [low, high]"},
      {"name: t\ntraffic: {requests: 1, service_us: {normal: [1, 2], pick: [3]}}\n" + kPath, "has one of uniform"},
      {"name: t\ntraffic: {requests: 1, service_us: {pick: [1, 2], weights: [0, 0]}}\n" + kPath, "are all zero"},
      {kHead + "path:\n  - {point: a}\n  - segment: {delay_ms: 3}\n",
       "t.yaml:5: 'delay_ms' is not a key of a segment; did you mean delay_us?"},
      {kHead + "path:\n  - {point: 1a}\n", "t.yaml:4: point of a path element '1a' is no name"},
      {kHead + "path:\n  - {pont: a}\n", "did you mean point?"},
      {kHead + "path:\n  - dnat: {service: 10.0.0.1}\n", "write it as IP:PORT"},
      {kHead + "path:\n  - dnat: {service: '10.0.0.300:80'}\n", "not an IPv4 address"},
      {kHead + "path:\n  - rewrite: {kind: firewal}\n", "is 'firewal', not one of fullnat, firewall, synproxy"},
      {kHead + "path:\n  - rewrite: {kind: firewall, service: '1.2.3.4:5'}\n", "is for fullnat only"},
      {kHead + "path:\n  - tunnel: {type: ipip, id: 3}\n", "ipip has none"},
      {kHead + "path:\n  - ecmp: [[{point: a}]]\n", "at least two branches"},
      {kHead + "path:\n  - ecmp: [[{point: a}], [{gateway: {}}]]\n", "holds neither ecmp nor gateway"},
      {kHead + "path:\n  - ecmp: &e [[{ecmp: *e}], [{point: a}]]\n", "holds neither ecmp nor gateway"},
      {kHead + "path:\n  - {point: a, mirror: {loss: 2}}\n", "must be between 0 and 1"},
      {kHead + "path:\n  - {point: a, mirror: {truncate_bytes: 5}}\n", "96 keeps all headers"},
      {kHead + "path:\n  - segment: {delay_us: 5, loss: 0.9}\n", "must be between 0 and 0.5"},
      {kHead + kPath + "faults: [{kind: dealy}]\n", "is 'dealy', not one of delay"},
      {kHead + kPath + "faults: [{kind: delay, segment: [a, b]}]\n", "the fault delay needs 'add_us'"},
      {kHead + kPath + "faults: [{kind: delay, add_us: 5}]\n", "needs 'segment'"},
      {kHead + kPath + "faults: [{kind: server_slow, add_us: 5, by: client}]\n",
       "'by' is not a key of the fault server_slow"},
      {kHead + kPath + "faults: [{kind: reset, by: server, segment: [a, b]}]\n", "goes with by: middlebox only"},
      {kHead + kPath +
           "faults: [{kind: server_slow, add_us: 1, share: 0.7}, {kind: server_slow, add_us: 1, share: 0.7}]\n",
       "add up to more than 1"},
  };
  for (const Wrong& wrong : wrongs) {
    const auto scenario = read_scenario(wrong.text, "t.yaml");
    ASSERT_FALSE(scenario.has_value()) << wrong.text;
    EXPECT_NE(scenario.error().what.find(wrong.complaint), std::string::npos)
        << wrong.text << "\nsays: " << scenario.error().what << "\nnot: " << wrong.complaint;
    EXPECT_EQ(scenario.error().what.find('\n'), std::string::npos) << scenario.error().what;
  }
}

TEST(ForgeScenarioReader, DefaultsAreThoseOfTheDocument) {
  const auto scenario = read_scenario(kHead + kPath, "t.yaml");
  ASSERT_TRUE(scenario.has_value());
  const TrafficPlan& traffic = scenario->traffic;
  EXPECT_EQ(scenario->seed, 1U);
  EXPECT_EQ(traffic.rate_per_s, 200);
  EXPECT_EQ(traffic.connections, 20U);
  EXPECT_EQ(traffic.clients, 4U);
  EXPECT_EQ(traffic.requests_per_connection, 25U);
  EXPECT_EQ(traffic.pipeline, 1U);
  EXPECT_EQ(traffic.request_bytes.first, 300);
  EXPECT_EQ(traffic.response_bytes.first, 1000);
  EXPECT_EQ(traffic.service_us.first, 800);
  EXPECT_TRUE(traffic.timestamps);
  EXPECT_EQ(traffic.mss, 1448U);
  EXPECT_EQ(traffic.delayed_ack, 40 * kMillisecond);
  ASSERT_EQ(scenario->path.size(), 3U);
  const auto& segment = std::get<SegmentPlan>(scenario->path[1].what);
  EXPECT_EQ(segment.back_us.first, 5) << "like delay_us";
}

TEST(ForgeScenarioReader, ClocksShowWhatTheyShould) {
  const auto scenario = read_scenario(
      kHead + "path: [{point: a, clock: {offset_ms: -2.5, drift_ppm: 100, steps: [{at_s: 1, by_us: 30}]}}]\n",
      "t.yaml");
  ASSERT_TRUE(scenario.has_value());
  const Clock& clock = std::get<PointPlan>(scenario->path[0].what).clock;
  EXPECT_EQ(clock.stamp(0), kRunBegins - 2'500'000);
  EXPECT_EQ(clock.stamp(kSecond / 2), kRunBegins + kSecond / 2 - 2'500'000 + 50'000);
  EXPECT_EQ(clock.stamp(kSecond), kRunBegins + kSecond - 2'500'000 + 100'000 + 30'000);
}

TEST(ForgeScenarioReader, ReadsTheExampleAndTheScenariosOfTheEvaluation) {
  EXPECT_TRUE(read_scenario(std::string(example_scenario()), "example").has_value());
  for (const auto& entry : std::filesystem::directory_iterator(HOPTAP_SCENARIOS)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto scenario = read_scenario(text, entry.path().string());
    EXPECT_TRUE(scenario.has_value()) << scenario.error().what;
  }
}

/// Whatever is done to a scenario, reading it ends, in a scenario or in one line.
TEST(ForgeScenarioReader, SurvivesDamage) {
  Random random(7, "damage");
  const std::string whole(example_scenario());
  const std::string odd = "{}[]:,-#&*!|>'\"%@` \n\t0x-e9~";
  int read = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string text = whole;
    for (std::uint64_t damage = 1 + random.below(4); damage > 0; --damage) {
      const std::size_t at = random.below(text.size());
      switch (random.below(4)) {
        case 0: text[at] = odd[random.below(odd.size())]; break;
        case 1: text.erase(at, 1 + random.below(20)); break;
        case 2: text.insert(at, 1, odd[random.below(odd.size())]); break;
        default: text.insert(at, text.substr(random.below(text.size()), random.below(40))); break;
      }
    }
    const auto scenario = read_scenario(text, "t.yaml");
    read += scenario.has_value();
    if (!scenario) {
      EXPECT_EQ(scenario.error().what.find('\n'), std::string::npos) << scenario.error().what;
    }
  }
  EXPECT_GT(read, 100);
}

}  // namespace
}  // namespace hoptap::forge
