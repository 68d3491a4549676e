#include "appliance/http/router.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <boost/json.hpp>
#include <set>

#include "export/json.h"
#include "export/text.h"
#include "fixture.h"

namespace hoptap::appliance {
namespace {

const testing::DemoRun& demo() {
  static const testing::DemoRun run = testing::demo_run();
  return run;
}

class RouterOverAStore : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = testing::demo_store(folder_.path(), demo());
    ASSERT_NE(store_, nullptr);
    sources_.store = store_.get();
    sources_.now_ns = [this] { return now_ns_; };
  }
  HttpResponse get(const std::string& target, const std::string& accept = "") {
    return Router(sources_).handle({"GET", target, accept});
  }
  boost::json::value json(const std::string& target) {
    const HttpResponse response = get(target);
    EXPECT_EQ(response.status, 200u) << response.body;
    EXPECT_EQ(response.content_type, "application/json");
    return boost::json::parse(response.body);
  }
  void expect_error(const std::string& target, unsigned status, const std::string& parameter,
                    const std::string& words) {
    const HttpResponse response = get(target);
    EXPECT_EQ(response.status, status) << target;
    const boost::json::value value = boost::json::parse(response.body);
    const boost::json::object& error = value.at("error").as_object();
    EXPECT_EQ(error.contains("parameter") ? error.at("parameter").as_string() : "", parameter) << target;
    EXPECT_NE(std::string(error.at("message").as_string()).find(words), std::string::npos) << response.body;
  }

  testing::TestFolder folder_;
  std::unique_ptr<exporting::Store> store_;
  HttpSources sources_;
  std::uint64_t now_ns_ = 0;
};

TEST_F(RouterOverAStore, ATraceIsThePathsLineWithRevisionAndFinal) {
  for (const exporting::JudgedTrace& judged : demo().traces) {
    const HttpResponse response = get("/api/v1/traces/" + exporting::id_text(judged.trace.id));
    std::string line = exporting::trace_json(judged.trace, judged.judgement.verdict);
    line.pop_back();
    EXPECT_EQ(response.body, line + ",\"revision\":1,\"final\":false}\n");
  }
}

TEST_F(RouterOverAStore, TextIsTheDrawing) {
  const exporting::JudgedTrace& judged = demo().traces.front();
  const std::string target = "/api/v1/traces/" + exporting::id_text(judged.trace.id);
  EXPECT_EQ(get(target, "text/plain").body, exporting::draw_trace(judged.trace, judged.judgement, {80, false, true}));
  EXPECT_EQ(get(target + "?format=text&columns=132&ascii=1&colour=1").body,
            exporting::draw_trace(judged.trace, judged.judgement, {132, true, false}));
  EXPECT_EQ(get(target, "text/html,application/json,text/plain").content_type, "application/json");
}

TEST_F(RouterOverAStore, ListsPageByPage) {
  std::set<std::string> ids;
  std::string cursor;
  for (int pages = 0; pages < 100; ++pages) {
    const boost::json::value page = json("/api/v1/traces?limit=9" + (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const auto& trace : page.at("traces").as_array()) ids.emplace(trace.at("id").as_string());
    if (page.at("next").is_null()) break;
    cursor = page.at("next").as_string();
  }
  EXPECT_EQ(ids.size(), demo().traces.size());
  EXPECT_FALSE(get("/api/v1/traces?limit=9&format=text").headers.empty()) << "text says where to go on too";
}

TEST_F(RouterOverAStore, ADamagedTraceIsLeftOutOfItsPageAndCounted) {
  const std::size_t all = json("/api/v1/traces?limit=1000").at("traces").as_array().size();
  const std::string id(json("/api/v1/traces?limit=1").at("traces").at(0).at("id").as_string());
  sqlite3* file = nullptr;
  ASSERT_EQ(sqlite3_open(store_->file().c_str(), &file), SQLITE_OK);
  const char* damage =
      "UPDATE body SET encoded = 'x' WHERE n = (SELECT n FROM trace ORDER BY start_ns DESC, id DESC LIMIT 1)";
  EXPECT_EQ(sqlite3_exec(file, damage, nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_changes(file), 1);
  sqlite3_close(file);
  const boost::json::value page = json("/api/v1/traces?limit=1000");
  EXPECT_EQ(page.at("traces").as_array().size(), all - 1);
  EXPECT_EQ(page.at("unreadable").as_int64(), 1);
  EXPECT_EQ(get("/api/v1/traces?format=text").status, 200u);
  const HttpResponse one = get("/api/v1/traces/" + id);
  EXPECT_EQ(one.status, 500u) << one.body;
  EXPECT_NE(one.body.find("damaged"), std::string::npos) << one.body;
}

TEST_F(RouterOverAStore, LinesHoldOneObjectEach) {
  const HttpResponse response = get("/api/v1/traces?format=ndjson&limit=5");
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 5);
  EXPECT_EQ(response.content_type, "application/x-ndjson");
}

TEST_F(RouterOverAStore, TheTableFitsTheWidth) {
  for (const std::size_t columns : {80u, 100u, 200u}) {
    const std::string text = get("/api/v1/traces?format=text&ascii=1&columns=" + std::to_string(columns)).body;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      EXPECT_LE(end - begin, columns) << text.substr(begin, end - begin);
      begin = end + 1;
    }
    EXPECT_NE(text.find(exporting::id_text(demo().traces.front().trace.id)), std::string::npos);
  }
}

TEST_F(RouterOverAStore, RelativeTimesCountFromTheServersClock) {
  std::uint64_t latest = 0;
  for (const exporting::JudgedTrace& judged : demo().traces) latest = std::max(latest, linker::start_ns(judged.trace));
  now_ns_ = latest + 60'000'000'000;
  EXPECT_FALSE(json("/api/v1/traces?from=-2m").at("traces").as_array().empty());
  EXPECT_TRUE(json("/api/v1/traces?from=-59s").at("traces").as_array().empty());
}

TEST_F(RouterOverAStore, ComplainsOfWhatIsWrongWithTheFix) {
  expect_error("/api/v1/traces?pont=x", 400, "pont", "there are from, to, point");
  expect_error("/api/v1/traces?point=a&point=b", 400, "point", "twice");
  expect_error("/api/v1/traces?point=", 400, "point", "is empty");
  expect_error("/api/v1/traces?status=6x", 400, "status", "500 or 5xx");
  expect_error("/api/v1/traces?limit=1001", 400, "limit", "1 to 1000");
  expect_error("/api/v1/traces?verdict=odd", 400, "verdict", "slow_segment");
  expect_error("/api/v1/traces?slow_segment=a", 400, "slow_segment", "two dots");
  expect_error("/api/v1/traces?min_duration=5", 400, "min_duration", "250ms");
  expect_error("/api/v1/traces?cursor=00", 400, "cursor", "as it is");
  expect_error("/api/v1/segments?step=0s", 400, "step", "such as 1m");
  expect_error("/api/v1/traces/12", 400, "id", "16 hexadecimal digits");
  expect_error("/api/v1/traces/00000000000000aa", 404, "id", "no trace has this id");
  expect_error("/nothing", 404, "", "/openapi.yaml");
  expect_error("/api/v1/traces?x=%", 400, "", "%XX");
  expect_error("/" + std::string(5000, 'a'), 414, "", "longer than 4096");
  expect_error("/metrics?x=1", 400, "x", "nothing can be asked");
}

TEST_F(RouterOverAStore, OnlyReads) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "BREW"}) {
    const HttpResponse response = Router(sources_).handle({method, "/api/v1/traces", ""});
    EXPECT_EQ(response.status, 405u);
    EXPECT_EQ(response.headers.at(0).second, "GET, HEAD");
  }
}

TEST_F(RouterOverAStore, SegmentsAreMergedByStep) {
  EXPECT_EQ(json("/api/v1/segments").at("segments").as_array().size(), 2u);
  const boost::json::value all = json("/api/v1/segments?step=all");
  ASSERT_EQ(all.at("segments").as_array().size(), 1u);
  const boost::json::value& one = all.at("segments").as_array()[0];
  EXPECT_EQ(one.at("requests").as_int64(), 6);
  EXPECT_EQ(one.at("losses").to_number<double>(), 5);
  EXPECT_EQ(one.at("length_ns").as_int64(), static_cast<std::int64_t>(2 * testing::kMinute));
  EXPECT_EQ(json("/api/v1/segments?step=1m").at("segments").as_array().size(), 2u);
  EXPECT_TRUE(json("/api/v1/segments?segment=b..a").at("segments").as_array().empty());
  EXPECT_TRUE(json("/api/v1/segments?limit=1").at("more").as_bool());
  EXPECT_NE(get("/api/v1/segments?format=text").body.find("switch-a → switch-b"), std::string::npos);
}

TEST_F(RouterOverAStore, VerdictsComeWithTheirScope) {
  const boost::json::value list = json("/api/v1/verdicts");
  const boost::json::array& verdicts = list.at("verdicts").as_array();
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[0].at("scope").as_string(), "run");
  EXPECT_EQ(verdicts[1].at("scope").as_string(), "window");
  EXPECT_EQ(json("/api/v1/verdicts?scope=run").at("verdicts").as_array().size(), 1u);
  EXPECT_EQ(json("/api/v1/verdicts?scope=window").at("verdicts").as_array().size(), 2u);
  EXPECT_TRUE(json("/api/v1/verdicts?limit=1").at("more").as_bool());
  EXPECT_EQ(get("/api/v1/verdicts?format=ndjson&scope=run").body, exporting::verdict_json(demo().verdict) + "\n");
}

TEST_F(RouterOverAStore, PointsKnowTheirLag) {
  const boost::json::value list = json("/api/v1/points");
  EXPECT_EQ(list.at("points").as_array()[0].at("lag_ns").as_int64(), 0);
  EXPECT_EQ(list.at("points").as_array()[1].at("lag_ns").as_int64(), 500);
  EXPECT_TRUE(list.at("points").as_array()[0].at("completeness_to_client").is_null());
}

TEST_F(RouterOverAStore, HealthIsWhatTheTracerSays) {
  EXPECT_EQ(get("/healthz").status, 200u);
  sources_.health = [] { return Health{false, "the disk is full"}; };
  EXPECT_EQ(get("/healthz").status, 503u);
  EXPECT_EQ(get("/healthz").body, "{\"ok\":false,\"words\":\"the disk is full\"}\n");
  EXPECT_EQ(get("/healthz?format=text").body, "the disk is full\n");
}

TEST_F(RouterOverAStore, StatusIsWhatTheTracerSays) {
  EXPECT_EQ(json("/api/v1/status").at("probes").as_array().size(), 1u);
  sources_.status = [] { return std::string("{\"a\":1}"); };
  EXPECT_EQ(get("/api/v1/status").body, "{\"a\":1}\n");
}

/// The rules that promtool checks: one HELP and TYPE for each name, its samples behind, counters end in _total.
TEST_F(RouterOverAStore, MetricsAreWellFormed) {
  sources_.metrics = [] {
    return std::vector<Metric>{
        {"hoptap_a_total", "Of \\ and\nlines.", Metric::Type::kCounter, 1e15, {{"p", "q\"\n\\"}}},
        {"hoptap_b_bytes", "Between.", Metric::Type::kGauge, 0.5, {}},
        {"hoptap_a_total", "", Metric::Type::kCounter, 2, {{"p", "r"}}}};
  };
  const std::string text = get("/metrics").body;
  EXPECT_NE(text.find("# HELP hoptap_a_total Of \\\\ and\\nlines.\n# TYPE hoptap_a_total counter\n"
                      "hoptap_a_total{p=\"q\\\"\\n\\\\\"} 1000000000000000\nhoptap_a_total{p=\"r\"} 2\n# HELP"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("hoptap_b_bytes 0.5\n"), std::string::npos);
  std::set<std::string> typed;
  std::string current;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.rfind("# TYPE ", 0) == 0) {
      current = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(typed.insert(current).second) << current;
      const bool counter = line.find(" counter") != std::string::npos;
      EXPECT_EQ(counter, current.size() > 6 && current.substr(current.size() - 6) == "_total") << line;
    } else if (line[0] != '#') {
      EXPECT_EQ(line.substr(0, line.find_first_of(" {")), current);
    }
  }
  EXPECT_GT(typed.size(), 10u);
}

TEST_F(RouterOverAStore, RowsOfMetricsAreFilteredAndAddedUp) {
  const auto rows = [&](const std::string& query) { return json("/api/v1/metrics" + query).at("metrics").as_array(); };
  const auto all = rows("");
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all.front().at("start_ns"), 2 * testing::kMinute);
  EXPECT_EQ(all.front().at("length_ns"), testing::kMinute);
  EXPECT_EQ(all.front().at("requests"), 1);
  EXPECT_NEAR(all.front().at("p50_ns").to_number<double>(), 1e6, 1e4);
  EXPECT_GT(all.front().at("to_server").at("retransmissions_fast").as_int64(), 0);
  EXPECT_EQ(all.front().at("times").at("handshake").at("count"), 2);
  EXPECT_EQ(rows("?point=switch-a").size(), 3u);
  EXPECT_EQ(rows("?client=10.0.0.1").size(), 2u);
  EXPECT_EQ(rows("?server=10.255.255.1&port=81").size(), 0u);
  EXPECT_EQ(rows("?from=60000000001").size(), 3u);
  EXPECT_EQ(rows("?limit=2").size(), 2u);
  EXPECT_EQ(json("/api/v1/metrics?limit=2").at("more"), true);

  const auto points = rows("?by=point&step=all");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].at("requests"), 3);
  EXPECT_EQ(points[1].at("server_errors"), 3);
  EXPECT_EQ(points[0].at("start_ns"), testing::kMinute);
  EXPECT_EQ(points[0].at("length_ns"), 2 * testing::kMinute);
  EXPECT_FALSE(points[0].as_object().contains("client"));
  const auto clients = rows("?by=client&step=1h");
  ASSERT_EQ(clients.size(), 4u);
  EXPECT_EQ(clients.back().at("client"), "other");
  EXPECT_EQ(clients.back().at("start_ns"), 0);
  EXPECT_EQ(clients.back().at("length_ns"), 60 * testing::kMinute);
  const std::string drawn = get("/api/v1/metrics?format=text&by=server").body;
  EXPECT_NE(drawn.find("10.255.255.1:80"), std::string::npos) << drawn;
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), '\n'), 2) << drawn;
  expect_error("/api/v1/metrics?by=pod", 400, "by", "point,client,server,protocol");
  expect_error("/api/v1/metrics?client=a", 400, "client", "IP address");
  expect_error("/api/v1/metrics?port=70000", 400, "port", "65535");
}

TEST_F(RouterOverAStore, MetricsAreOpenMetricsForWhoAsks) {
  sources_.traffic = [](exporting::MetricsWriter& out) {
    out.family("hoptap_requests", exporting::FamilyType::kCounter, "", "Requests.");
    out.sample("_total", exporting::label_text({{"point", "a"}}), std::uint64_t{7});
  };
  const HttpResponse text = get("/metrics");
  EXPECT_EQ(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(text.body.find("# TYPE hoptap_requests_total counter\nhoptap_requests_total{point=\"a\"} 7\n"),
            std::string::npos);
  EXPECT_EQ(text.body.find("# EOF"), std::string::npos);
  const HttpResponse open = get("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_NE(open.body.find("# TYPE hoptap_requests counter\nhoptap_requests_total{point=\"a\"} 7\n"),
            std::string::npos);
  EXPECT_EQ(open.body.substr(open.body.size() - 7), "\n# EOF\n");
}

TEST(RouterWithoutAStore, ServesMetricsAndHealthAlone) {
  const Router router({.metrics = [] {
    return std::vector<Metric>{{"hoptap_a_bytes", "A.", Metric::Type::kGauge, 3, {}}};
  }});
  EXPECT_EQ(router.handle({"GET", "/metrics", ""}).body,
            "# HELP hoptap_a_bytes A.\n# TYPE hoptap_a_bytes gauge\nhoptap_a_bytes 3\n");
  EXPECT_EQ(router.handle({"GET", "/healthz", ""}).status, 200u);
  for (const char* path : {"/api/v1/traces", "/api/v1/traces/0123456789abcdef", "/api/v1/status", "/openapi.yaml", "/"})
    EXPECT_EQ(router.handle({"GET", path, ""}).status, 404u) << path;
}

TEST(RouterQuick, KnowsWhatAsksTheDatabase) {
  EXPECT_TRUE(Router::is_quick({"GET", "/healthz", ""}));
  EXPECT_TRUE(Router::is_quick({"GET", "/metrics?x=1", ""}));
  EXPECT_TRUE(Router::is_quick({"GET", "/nothing", ""}));
  EXPECT_FALSE(Router::is_quick({"GET", "/api/v1/traces?limit=1", ""}));
  EXPECT_FALSE(Router::is_quick({"GET", "/api/v1/traces/1", ""}));
  EXPECT_FALSE(Router::is_quick({"GET", "/api/v1%2Ftraces", ""})) << "decoded, it may ask";
}

}  // namespace
}  // namespace hoptap::appliance
