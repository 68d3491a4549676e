#include "appliance/clients.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "appliance/exit_code.h"
#include "appliance/http/client.h"
#include "appliance/http/server.h"
#include "export/json.h"
#include "export/text.h"
#include "fixture.h"

namespace hoptap::appliance {
namespace {

const testing::DemoRun& demo() {
  static const testing::DemoRun run = testing::demo_run();
  return run;
}

struct Ran {
  int code = 0;
  std::string out;
  std::string complaint;
};

template <class Run, class Options>
Ran run(Run command, const Options& options) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran ran;
  ran.code = command(options);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.complaint = ::testing::internal::GetCapturedStderr();
  return ran;
}

class Clients : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = testing::demo_store(folder_.path(), demo());
    ASSERT_NE(store_, nullptr);
    HttpServerConfig config;
    config.port = 0;
    HttpSources sources;
    sources.store = store_.get();
    auto started = HttpServer::start(config, sources);
    ASSERT_TRUE(started);
    server_ = std::move(*started);
    client_.tracer = server_->url();
  }

  testing::TestFolder folder_;
  std::unique_ptr<exporting::Store> store_;
  std::unique_ptr<HttpServer> server_;
  ClientOptions client_;
};

TEST_F(Clients, TracesFollowThePages) {
  // More than one page: the demo's traces under other ids and times.
  std::vector<exporting::JudgedTrace> many;
  for (std::size_t at = 0; at < 450; ++at) {
    many.push_back(demo().traces[at % demo().traces.size()]);
    many.back().trace.id = at + 1;
  }
  const testing::DemoRows rows(many);
  ASSERT_TRUE(store_->put_traces({.put = rows.rows, .remove = {}}));
  TracesOptions options;
  options.client = client_;
  options.limit = 430;
  options.client.json = true;
  const Ran lines = run(run_traces, options);
  EXPECT_EQ(lines.code, kDone) << lines.complaint;
  EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 430);
  options.client.json = false;
  const Ran table = run(run_traces, options);
  EXPECT_EQ(table.code, kDone);
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 432) << "a heading, a day, then the traces";
  EXPECT_EQ(table.out.rfind("time (UTC)", 0), 0u);
}

TEST_F(Clients, OneTraceIsDrawn) {
  const exporting::JudgedTrace& judged = demo().traces.front();
  TracesOptions options;
  options.client = client_;
  options.client.ascii = true;
  options.id = exporting::id_text(judged.trace.id);
  EXPECT_EQ(run(run_traces, options).out, exporting::draw_trace(judged.trace, judged.judgement, {80, false, false}));
  options.id = "00000000000000aa";
  const Ran missing = run(run_traces, options);
  EXPECT_EQ(missing.code, kNothingFound);
  EXPECT_NE(missing.complaint.find("no trace has this id"), std::string::npos);
}

TEST_F(Clients, FiltersArePassedOnAndComplainedOf) {
  TracesOptions options;
  options.client = client_;
  options.resource = "/a&b=c d%";
  const Ran none = run(run_traces, options);
  EXPECT_EQ(none.code, kNothingFound);
  EXPECT_NE(none.complaint.find("no such trace"), std::string::npos);
  options.resource.clear();
  options.status = "6x";
  const Ran wrong = run(run_traces, options);
  EXPECT_EQ(wrong.code, kWrongUsage);
  EXPECT_EQ(wrong.complaint, "hoptap: status: write a status such as 500 or 5xx\n");
}

TEST_F(Clients, VerdictsAndPoints) {
  VerdictsOptions verdicts;
  verdicts.client = client_;
  verdicts.client.ascii = true;
  const std::string text = run(run_verdicts, verdicts).out;
  EXPECT_EQ(text.rfind(exporting::draw_verdict(demo().verdict, {80, false, false}), 0), 0u) << text;
  PointsOptions points;
  points.client = client_;
  EXPECT_NE(run(run_points, points).out.find("switch-a"), std::string::npos);
  MetricsOptions metrics;
  metrics.client = client_;
  EXPECT_NE(run(run_metrics, metrics).out.find("10.255.255.1:80"), std::string::npos);
  metrics.by = "pod";
  EXPECT_EQ(run(run_metrics, metrics).code, kWrongUsage);
  points.client.json = true;
  const std::string lines = run(run_points, points).out;
  EXPECT_EQ(boost::json::parse(lines.substr(0, lines.find('\n'))).at("name").as_string(), "switch-a");
}

TEST_F(Clients, SayWhenNoTracerIsThere) {
  const std::string url = server_->url();
  server_.reset();
  PointsOptions options;
  options.client = client_;
  const Ran gone = run(run_points, options);
  EXPECT_EQ(gone.code, kCannotReach);
  EXPECT_NE(gone.complaint.find("no tracer answers at " + url), std::string::npos) << gone.complaint;
  EXPECT_NE(gone.complaint.find("start it with hoptap tracer"), std::string::npos);
  options.client.tracer = "localhost";
  EXPECT_EQ(run(run_points, options).code, kWrongUsage);
}

TEST_F(Clients, TheEnvironmentNamesTheTracer) {
  ::setenv("HOPTAP_TRACER", client_.tracer.c_str(), 1);
  EXPECT_EQ(run(run_points, PointsOptions{}).code, kDone);
  ::unsetenv("HOPTAP_TRACER");
}

TEST(ClientsCommandLine, ReadsOptions) {
  CLI::App app;
  TracesOptions traces;
  VerdictsOptions verdicts;
  PointsOptions points;
  const CLI::App* command = add_traces(app, traces);
  add_verdicts(app, verdicts);
  add_points(app, points);
  app.parse("traces --from -15m --slow-segment a..b --min-duration 250ms --limit 5 --json --tracer http://x:1");
  EXPECT_TRUE(command->parsed());
  EXPECT_EQ(traces.from, "-15m");
  EXPECT_EQ(traces.slow_segment, "a..b");
  EXPECT_EQ(traces.limit, 5u);
  EXPECT_TRUE(traces.client.json);
  EXPECT_THROW(app.parse("traces --limit 0"), CLI::ParseError);
}

TEST(ReadUrl, TakesItApart) {
  const auto url = read_url("https://[::1]:99/a/b/");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, 99);
  EXPECT_EQ(url->base, "/a/b");
  EXPECT_EQ(read_url("http://tracer")->port, 8717);
  for (const char* wrong :
       {"", "tracer:1", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a:99999", "http://a b"}) {
    EXPECT_FALSE(read_url(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace hoptap::appliance
