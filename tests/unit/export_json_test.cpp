#include "export/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "export/json_value.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

namespace json = boost::json;

json::object parsed(const std::string& line) {
  EXPECT_EQ(line.find('\n'), std::string::npos);
  return json::parse(line).as_object();
}

TEST(Json, TracesFollowTheContract) {
  Scenario scenario;
  scenario.loss = 0.03;
  const Analysis analysis = analyse(scenario);
  for (std::size_t at = 0; at < analysis.traces.size(); ++at) {
    const json::object trace = parsed(exporting::trace_json(analysis.traces[at], analysis.judgements[at].verdict));
    EXPECT_EQ(trace.at("type"), "trace");
    EXPECT_EQ(trace.at("id").as_string().size(), 16u);
    ASSERT_EQ(trace.at("hops").as_array().size(), 8u);
    const json::object& hop = trace.at("hops").as_array()[7].as_object();
    EXPECT_EQ(hop.at("point"), "pod-b");
    EXPECT_EQ(hop.at("target"), "10.0.2.10:80");
    EXPECT_GE(hop.at("request_copies").as_int64(), 1);
    std::int64_t sum = 0;
    double share = 0;
    for (const json::value& part : trace.at("parts").as_array()) {
      sum += part.at("time_ns").as_int64();
      share += part.at("share").to_number<double>();
    }
    EXPECT_EQ(sum, trace.at("response_time_ns").as_int64());
    EXPECT_NEAR(share, 1, 1e-4);
    EXPECT_FALSE(trace.at("verdict").at("text").as_string().empty());
  }
  const json::object verdict = parsed(exporting::verdict_json(analysis.verdict));
  EXPECT_EQ(verdict.at("kind"), "loss");
  EXPECT_EQ(verdict.at("from"), "switch-a");
  EXPECT_EQ(verdict.at("evidence").as_array().size(), 3u);
  EXPECT_GT(verdict.at("copies_lost").at("request").as_int64(), 0);
}

TEST(Json, DelayedAcksAreAtWhoDelaysThem) {
  Scenario scenario;
  scenario.nagle = 0.5;
  const json::object verdict = parsed(exporting::verdict_json(analyse(scenario).verdict));
  EXPECT_EQ(verdict.at("kind"), "delayed_ack");
  EXPECT_EQ(verdict.at("at"), "pod-b");
  EXPECT_EQ(verdict.at("sender"), "pod-a");
}

TEST(Json, SummariesListPointsPathsAndCounters) {
  exporting::Summary summary;
  summary.version = "0.1.0";
  summary.points = {{"pod-a", "pod", {}, {}}, {"tor", "switch", {}, {}, {{.by = "erspan", .unit_ns = 100}}}};
  summary.paths = {{7, {"pod-a", "pod-b"}, 12, false, true}};
  summary.counters = {{"packets", 5}, {"late", 0}};
  summary.notes = {"look here"};
  EXPECT_EQ(summary_json(summary),
            R"({"type":"summary","schema":1,"version":"0.1.0","points":[{"name":"pod-a","role":"pod"},)"
            R"({"name":"tor","role":"switch","stamps":[{"by":"erspan","unit_ns":100,"packets":null}]}],)"
            R"("paths":[{"points":["pod-a","pod-b"],"requests":12,"unordered":false,"hint_disagrees":true}],)"
            R"("counters":{"packets":5,"late":0},"notes":["look here"]})");
}

TEST(Json, RecordsShowWhatAPersonCanSee) {
  HopRecord record;
  record.protocol = "http";
  record.method = "GET";
  record.resource = "/\xff\"";
  record.status = 200;
  record.has_status = true;
  record.flags = record_flag::kMidStream | record_flag::kTruncated;
  record.closing = flowtable::closing::kServerReset;
  record.vantage.tunnels.depth = 2;
  record.vantage.tunnels.layers[0] = {base::TunnelType::kVxlan, 1, {}, {}};
  record.vantage.tunnels.layers[1] = {base::TunnelType::kIpInIp, 0, {}, {}};
  record.request.first_ns = 1'700'000'000'000'000'001;
  record.request.last_ns = 1'700'000'000'000'000'002;
  record.request.bytes = 5;
  record.request.copies = 1;
  record.request.copy[0] = {200, 9, 8};
  record.leg_id = record.record_id = 12345;
  EXPECT_EQ(
      exporting::hop_json(record),
      "{\"type\":\"hop\",\"protocol\":\"http\",\"method\":\"GET\",\"resource\":\"/\xef\xbf\xbd\\\"\",\"status\":200,"
      "\"transport\":\"tcp\",\"client\":\"[::]:0\",\"server\":\"[::]:0\",\"flags\":[\"mid_stream\",\"truncated\"],"
      "\"closing\":[\"server_reset\"],\"tunnels\":[\"vxlan:1\",\"ipip\"],\"request\":{\"first_ns\":"
      "1700000000000000001,\"last_ns\":1700000000000000002,\"bytes\":5,\"sequence\":0,\"end_sequence\":0,"
      "\"copies\":1,\"copy\":[{\"delay_ns\":200,\"tsval\":9,\"ip_id\":8}]},\"response\":null}");
  flowtable::LegRecord leg;
  leg.close = flowtable::CloseType::kReset;
  leg.protocol = "dns";
  leg.transport = 17;
  leg.to_client.ttl = 63;
  const json::object out = parsed(exporting::leg_json(leg));
  EXPECT_EQ(out.at("close"), "reset");
  EXPECT_EQ(out.at("transport"), "udp");
  EXPECT_EQ(out.at("to_client").at("ttl"), 63);
}

TEST(Json, ProcessesHaveTheNamesOfOpenTelemetry) {
  HopRecord record;
  record.processes.server = std::make_shared<flowtable::Process>(
      flowtable::Process{.pid = 1234, .name = "nginx\xff", .container_id = "0123"});
  flowtable::LegRecord leg;
  leg.processes.client =
      std::make_shared<flowtable::Process>(flowtable::Process{.pid = 7, .name = "curl", .container_id = {}});
  const json::object hop = parsed(exporting::hop_json(record));
  EXPECT_EQ(json::serialize(hop.at("server_process")),
            "{\"process.pid\":1234,\"process.executable.name\":\"nginx\xef\xbf\xbd\",\"container.id\":\"0123\"}");
  EXPECT_FALSE(hop.contains("client_process"));
  EXPECT_EQ(json::serialize(parsed(exporting::leg_json(leg)).at("client_process")),
            R"({"process.pid":7,"process.executable.name":"curl"})");
  Analysis analysis = analyse(Scenario{});
  analysis.traces[0].hops[7].record.processes = record.processes;
  const json::object trace = parsed(exporting::trace_json(analysis.traces[0], analysis.judgements[0].verdict));
  EXPECT_EQ(trace.at("hops").at(7).at("server_process").at("process.pid"), 1234);
}

TEST(Json, FractionsAreReadable) {
  EXPECT_EQ(exporting::line_of(json::object{{"a", 0.98}, {"b", json::array{1, "x", nullptr}}, {"c", 0.0}}),
            R"({"a":0.98,"b":[1,"x",null],"c":0})");
}

TEST(Json, TextIsAlwaysUtf8) {
  EXPECT_EQ(exporting::utf8("ok \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "ok \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  for (const char* wrong : {"\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80", "\xe0\x80\x80"}) {
    const std::string fixed = exporting::utf8(wrong);
    EXPECT_EQ(fixed.substr(0, 3), "\xef\xbf\xbd") << wrong;
    EXPECT_NO_THROW(json::parse(json::serialize(json::string(fixed))));
  }
}

}  // namespace
}  // namespace hoptap::test
