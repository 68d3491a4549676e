#include "export/metrics/totals.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/unit/metrics_records.h"

namespace hoptap::test {
namespace {

using exporting::FamilyType;
using exporting::MetricsFormat;
using exporting::MetricsRow;
using exporting::MetricsTotals;
using exporting::MetricsWriter;

MetricsRow row_of(const flowtable::HopRecord& hop) {
  MetricsRow row{.key = exporting::key_of(hop, 0)};
  row.values.add(hop);
  return row;
}

std::string point_name(std::uint32_t point) { return point == 0 ? "node-7:eth0" : "odd \"\\\n\xff\x01 name"; }

MetricsTotals example() {
  MetricsTotals totals(4);
  for (std::uint32_t at = 0; at < 9; ++at)
    totals.add(row_of(hop_of(at, kSecondNs * (1 + at), at % 4 == 3 ? 503 : 200)));
  flowtable::HopRecord slow = hop_of(1, 9 * kSecondNs, 404);
  slow.request.first_ns -= 2 * kSecondNs;
  totals.add(row_of(slow));
  flowtable::FlowMetrics flow = flow_of(1, kSecondNs);
  MetricsRow row{.key = exporting::key_of(flow, 0)};
  row.values.add(flow);
  totals.add(row);
  flowtable::FlowMetrics datagrams;
  datagrams.point = 1;
  datagrams.transport = 17;
  datagrams.client = {base::IpAddress{{0x20, 0x01, 0x0d, 0xb8}}, 5};
  datagrams.server = endpoint_of(5, 53);
  datagrams.protocol = "dns";
  datagrams.to_server.packets = 3;
  MetricsRow udp{.key = exporting::key_of(datagrams, 0)};
  udp.values.add(datagrams);
  totals.add(udp);
  return totals;
}

std::string written(MetricsFormat format) {
  MetricsWriter writer(format);
  example().write(writer, point_name);
  return writer.finish();
}

/// tests/unit/open_metrics_test.py has other programs read these files.
void expect_golden(const std::string& text, const std::string& file) {
  const std::string path = std::string(HOPTAP_UNIT) + "/golden/" + file;
  const char* update = std::getenv("HOPTAP_GOLDEN");
  if (update != nullptr && std::string(update) == "update") std::ofstream(path) << text;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str()) << path;
}

TEST(MetricsTotals, AreWrittenAsOpenMetrics) {
  expect_golden(written(MetricsFormat::kOpenMetrics), "metrics.openmetrics.txt");
}

TEST(MetricsTotals, AreWrittenAsText) { expect_golden(written(MetricsFormat::kText), "metrics.prometheus.txt"); }

TEST(MetricsTotals, OverTheLimitGoToOthers) {
  const MetricsTotals totals = example();
  EXPECT_EQ(totals.size(), 4u + 2);  // four clients, the others of two servers
  EXPECT_EQ(totals.overflow().clients, 6u);
  EXPECT_NE(written(MetricsFormat::kText).find("client=\"other\",server=\"10.255.255.1\""), std::string::npos);
}

TEST(MetricsTotals, BucketsCountLatenciesUpToTheirBound) {
  MetricsTotals totals(4);
  for (const std::uint64_t took_ns : {50'000u, 120'000u, 900'000u, 900'000u, 2'000'000'000u}) {
    flowtable::HopRecord hop = hop_of(1, 10 * kSecondNs);
    hop.request.first_ns = hop.response.first_ns - took_ns;
    totals.add(row_of(hop));
  }
  MetricsWriter writer(MetricsFormat::kText);
  totals.write(writer, [](std::uint32_t) { return "a"; });
  const std::string text = writer.finish();
  const std::string name =
      "hoptap_request_duration_seconds_bucket{point=\"a\",client=\"10.0.0.1\",server=\"10.255.255.1\","
      "server_port=\"80\",transport=\"tcp\",protocol=\"http\",le=";
  for (const char* line : {"\"0.0001\"} 1\n", "\"0.00025\"} 2\n", "\"0.0005\"} 2\n", "\"0.001\"} 4\n", "\"1.0\"} 4\n",
                           "\"2.5\"} 5\n", "\"+Inf\"} 5\n"})
    EXPECT_NE(text.find(name + line), std::string::npos) << line << text;
}

TEST(MetricsWriter, WritesWhatIsAskedFor) {
  const auto format = exporting::metrics_format;
  EXPECT_EQ(format(""), MetricsFormat::kText);
  EXPECT_EQ(format("*/*"), MetricsFormat::kText);
  EXPECT_EQ(format("text/plain"), MetricsFormat::kText);
  EXPECT_EQ(format("application/openmetrics-text"), MetricsFormat::kOpenMetrics);
  EXPECT_EQ(format("application/openmetrics-text;q=0"), MetricsFormat::kText);
  EXPECT_EQ(format("application/openmetrics-text;q=0.2,text/plain;q=0.9"), MetricsFormat::kText);
  EXPECT_EQ(format("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                   "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            MetricsFormat::kOpenMetrics);
  EXPECT_EQ(format(";;,,;q=,application/openmetrics-text; q=x"), MetricsFormat::kText);
  EXPECT_NE(content_type(MetricsFormat::kText).find("text/plain; version=0.0.4"), std::string_view::npos);
  EXPECT_NE(content_type(MetricsFormat::kOpenMetrics).find("openmetrics-text; version=1.0.0"), std::string_view::npos);
}

TEST(MetricsWriter, LeavesOutFamiliesWithoutSamples) {
  MetricsWriter writer(MetricsFormat::kOpenMetrics);
  writer.family("hoptap_nothing", FamilyType::kCounter, "", "None.");
  writer.family("hoptap_waits_seconds", FamilyType::kCounter, "seconds", "Waits, \"long\" ones.");
  writer.sample("_total", "", exporting::seconds_text(1'500'000'000));
  EXPECT_EQ(writer.finish(),
            "# HELP hoptap_waits_seconds Waits, \\\"long\\\" ones.\n# TYPE hoptap_waits_seconds counter\n"
            "# UNIT hoptap_waits_seconds seconds\nhoptap_waits_seconds_total 1.5\n# EOF\n");
  EXPECT_EQ(exporting::seconds_text(0), "0.0");
  EXPECT_EQ(exporting::seconds_text(UINT64_MAX), "18446744073.709551615");
}

}  // namespace
}  // namespace hoptap::test
