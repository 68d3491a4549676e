#include "appliance/probe/batcher.h"

#include <gtest/gtest.h>

#include <map>

#include "flowtable/record_codec.h"

namespace hoptap::test {
namespace {

using appliance::Batcher;
using appliance::ProbeConfig;
using appliance::ReplayMark;

ProbeConfig demo_config(std::size_t records_max) {
  ProbeConfig config;
  config.batch_records_max = records_max;
  for (const char* point : {"03_node-a-eth0", "04_switch-a"})
    config.replay.push_back({std::string(HOPTAP_DEMO) + "/" + point + ".pcap", {point, "", {}}});
  return config;
}

struct Read {
  std::vector<exporting::Batch> batches;
  std::vector<ReplayMark> marks;  ///< with each batch
};

/// The whole replay from `mark` on.
Read read_on(const ProbeConfig& config, ReplayMark mark) {
  Read read;
  Batcher batcher(config, mark);
  auto replay = appliance::Replay::open({config.replay[0].file, config.replay[1].file}, {}, batcher);
  if (!replay) throw std::runtime_error(replay.error().what);
  const appliance::ReplayPoints points(*replay, config.replay);
  bool more = true;
  while (!batcher.mark().done) {
    more = replay->step();
    batcher.advance(points);
    while ((batcher.is_due(points) || !more) && !batcher.mark().done) {
      read.batches.push_back(batcher.take(points));
      read.marks.push_back(batcher.mark());
    }
  }
  return read;
}

/// Every hop record with its point's name, in order.
std::vector<std::string> hops_of(const std::vector<exporting::Batch>& batches) {
  std::vector<std::string> hops;
  for (const exporting::Batch& batch : batches) {
    for (flowtable::HopRecord hop : batch.hops) {
      std::string name = batch.points.at(hop.point).name + " ";
      hop.point = 0;
      std::vector<std::uint8_t> bytes;
      flowtable::encode(hop, bytes);
      hops.push_back(name + std::string(bytes.begin(), bytes.end()));
    }
  }
  return hops;
}

/// Every row of metrics with its point's name, in order.
std::vector<std::pair<std::string, exporting::MetricsRow>> rows_of(const std::vector<exporting::Batch>& batches) {
  std::vector<std::pair<std::string, exporting::MetricsRow>> rows;
  for (const exporting::Batch& batch : batches) {
    for (exporting::MetricsRow row : batch.metrics) {
      const std::string name = batch.points.at(row.key.point).name;
      row.key.point = 0;
      rows.emplace_back(name, std::move(row));
    }
  }
  return rows;
}

/// RED of each point, added up from its hop records or its rows.
struct Red {
  std::uint64_t requests = 0, errors = 0, latencies = 0, latency_ns = 0;
  bool operator==(const Red&) const = default;
};

Red red_of(const exporting::MetricsValues& values) {
  const auto& latency = values.sums.times[exporting::index_of(exporting::Time::kLatency)];
  std::uint64_t errors = 0;
  for (std::size_t at = exporting::index_of(exporting::Count::kClientErrors);
       at <= exporting::index_of(exporting::Count::kResets); ++at)
    errors += values.sums.counts[at];
  return {values.sums.count(exporting::Count::kRequests), errors, latency.count, latency.sum_ns};
}

TEST(Batcher, GivesRowsOfMetricsThatAddUpToTheHops) {
  ProbeConfig config = demo_config(16);
  const Read read = read_on(config, {});
  std::map<std::string, exporting::MetricsValues> by_hops, by_rows;
  std::size_t rows = 0;
  for (const exporting::Batch& batch : read.batches) {
    rows += batch.metrics.size();
    for (const flowtable::HopRecord& hop : batch.hops) by_hops[batch.points.at(hop.point).name].add(hop);
    for (const exporting::MetricsRow& row : batch.metrics) by_rows[batch.points.at(row.key.point).name].add(row.values);
  }
  EXPECT_GT(rows, 4u);
  ASSERT_EQ(by_rows.size(), 2u);
  for (auto& [name, values] : by_rows) {
    EXPECT_EQ(red_of(values), red_of(by_hops[name])) << name;
    EXPECT_EQ(values.latency, by_hops[name].latency) << name;
    EXPECT_GT(red_of(values).requests, 20u);
  }
  config.metrics.length_ns = 0;
  EXPECT_TRUE(rows_of(read_on(config, {}).batches).empty());
}

TEST(Batcher, CutsTheReplayIntoBatchesWithinTheLimit) {
  const ProbeConfig config = demo_config(7);
  const Read read = read_on(config, {});
  ASSERT_GT(read.batches.size(), 10u);
  std::uint64_t records = 0;
  for (std::size_t at = 0; at < read.batches.size(); ++at) {
    const exporting::Batch& batch = read.batches[at];
    EXPECT_LE(batch.hops.size() + batch.legs.size() + batch.metrics.size(), 7u);
    records += batch.hops.size() + batch.legs.size() + batch.metrics.size();
    EXPECT_EQ(read.marks[at].records, records);
    const bool last = at + 1 == read.batches.size();
    EXPECT_EQ(read.marks[at].done, last);
    const auto ended = [](const exporting::BatchPoint& point) { return point.ended; };
    EXPECT_EQ(std::all_of(batch.points.begin(), batch.points.end(), ended), last);
  }
  EXPECT_EQ(hops_of(read.batches).size(), 120u);
  EXPECT_EQ(read.batches.front().points.front().name, "03_node-a-eth0");
  EXPECT_EQ(read.batches.front().points.front().role, "node");
  EXPECT_GT(read.batches.back().points.back().packets, 100u);
}

TEST(Batcher, GoesOnAfterAnyBatchAsIfItHadNeverStopped) {
  const ProbeConfig config = demo_config(16);
  const Read whole = read_on(config, {});
  const std::vector<std::string> all = hops_of(whole.batches);
  for (std::size_t kept = 0; kept + 1 < whole.batches.size(); ++kept) {
    std::vector<exporting::Batch> batches(whole.batches.begin(), whole.batches.begin() + static_cast<int>(kept) + 1);
    for (exporting::Batch& batch : read_on(config, whole.marks[kept]).batches) batches.push_back(std::move(batch));
    EXPECT_EQ(hops_of(batches), all) << kept;
    EXPECT_EQ(rows_of(batches), rows_of(whole.batches)) << kept;
  }
}

TEST(ReplayMark, ComesBackAndKnowsOtherInputs) {
  const ReplayMark mark{0xabcdef, 42, true};
  const auto read = ReplayMark::read(mark.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->inputs, mark.inputs);
  EXPECT_EQ(read->records, mark.records);
  EXPECT_TRUE(read->done);
  EXPECT_FALSE(ReplayMark::read("live 1 2 3"));
  EXPECT_FALSE(ReplayMark::read(""));

  ProbeConfig config = demo_config(7);
  const auto inputs = appliance::hash_of_inputs(config);
  ASSERT_TRUE(inputs);
  EXPECT_EQ(*appliance::hash_of_inputs(config), *inputs);
  config.metrics.rows_max = 5;
  EXPECT_NE(*appliance::hash_of_inputs(config), *inputs) << "other rows are other records";
  config = demo_config(7);
  config.filter = "tcp";
  EXPECT_NE(*appliance::hash_of_inputs(config), *inputs);
  config.replay[0].file = "/nowhere.pcap";
  EXPECT_FALSE(appliance::hash_of_inputs(config));
}

}  // namespace
}  // namespace hoptap::test
