// Batches come back as they were sent, from the lab's captures and from records with every field at its extremes.
#include "export/wire/batch.h"

#include <gtest/gtest.h>

#include "appliance/replay.h"
#include "tests/unit/wire_records.h"
#include "tests/unit/wire_same.h"

namespace hoptap::test {
namespace {

using exporting::decode_batch;
using exporting::encode_batch;
using exporting::PointStamp;

void expect_comes_back(const Batch& batch) {
  const auto decoded = decode_batch(encode_batch(batch));
  ASSERT_TRUE(decoded) << decoded.error().what;
  expect_same(batch, *decoded);
}

class Kept : public flowtable::RecordSink {
 public:
  void hop(const HopRecord& record) override {
    batch.hops.push_back(record);
    batch.hops.back().point /= appliance::Feed::kPointsPerFeed;
  }
  void leg(const LegRecord& record) override {
    batch.legs.push_back(record);
    batch.legs.back().point /= appliance::Feed::kPointsPerFeed;
  }
  Batch batch;
};

Batch batch_of(const std::vector<std::string>& captures) {
  Kept kept;
  std::vector<std::string> paths;
  for (const std::string& capture : captures) {
    paths.push_back(std::string(HOPTAP_PCAPS) + "/lab/demo/captures/" + capture + ".pcap");
    kept.batch.points.push_back({.name = capture, .role = "node"});
  }
  auto replay = appliance::Replay::open(paths, {}, kept);
  EXPECT_TRUE(replay) << replay.error().what;
  while (replay && replay->step()) {
  }
  return kept.batch;
}

const std::vector<std::string> kLab = {"01_pod-a",    "02_node-a-veth", "03_node-a-eth0", "04_switch-a",
                                       "05_switch-b", "06_node-b-eth0", "07_node-b-veth", "08_pod-b"};

/// Cut into batches of so many records, as a probe sends them.
std::size_t compressed_bytes(const Batch& all, std::size_t records_max) {
  std::size_t bytes = 0;
  std::size_t leg = 0;
  for (std::size_t hop = 0; hop < all.hops.size();) {
    Batch batch{.points = all.points};
    while (hop < all.hops.size() && batch.hops.size() < records_max) batch.hops.push_back(all.hops[hop++]);
    const bool is_last = hop == all.hops.size();
    while (leg < all.legs.size() &&
           (is_last || batch.legs.size() * all.hops.size() < batch.hops.size() * all.legs.size()))
      batch.legs.push_back(all.legs[leg++]);
    bytes += exporting::compress(encode_batch(batch)).size();
  }
  return bytes;
}

TEST(WireBatch, OfNothingComesBack) { expect_comes_back({}); }

TEST(WireBatch, OfPointsAloneComesBack) {
  expect_comes_back({.points = {{},
                                {.name = "node-7:eth0",
                                 .role = "node",
                                 .order = 0,
                                 .reached_ns = UINT64_MAX,
                                 .packets = 5,
                                 .lost_packets = 0,
                                 .ended = true,
                                 .stamps = {{.by = "erspan", .unit_ns = 100, .packets = 5},
                                            {.by = std::string(PointStamp::kNameBytesMax, 'x'),
                                             .unit_ns = UINT32_MAX,
                                             .packets = UINT64_MAX},
                                            {}}}}});
}

TEST(WireBatch, OfTooManyStampsTheFirstComeBack) {
  Batch batch{.points = {{.name = "a", .stamps = std::vector<PointStamp>(PointStamp::kOfPointMax + 3, {.by = "nic"})}}};
  batch.points[0].stamps[0].by = std::string(PointStamp::kNameBytesMax + 1, 'x');
  const auto back = decode_batch(encode_batch(batch));
  ASSERT_TRUE(back.has_value());
  ASSERT_EQ(back->points[0].stamps.size(), PointStamp::kOfPointMax);
  EXPECT_EQ(back->points[0].stamps[0].by, std::string(PointStamp::kNameBytesMax, 'x'));
}

TEST(WireBatch, OfTheLabComesBack) {
  const Batch batch = batch_of(kLab);
  ASSERT_EQ(batch.hops.size(), 480u);
  ASSERT_GT(batch.legs.size(), 0u);
  expect_comes_back(batch);
}

TEST(WireBatch, OfAnyRecordsComesBack) {
  for (std::uint64_t seed = 0; seed < 2000 && !::testing::Test::HasFailure(); ++seed)
    expect_comes_back(any_batch(seed));
}

TEST(WireBatch, OfAnyProcessesComesBack) {
  for (std::uint64_t seed = 0; seed < 2000 && !::testing::Test::HasFailure(); ++seed)
    expect_comes_back(any_batch_with_processes(seed));
}

// Other versions read these bytes: a change here is a change of the format (docs/formats/wire.md, Versions).
TEST(WireBatch, HasTheBytesItAlwaysHad) {
  std::string bytes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) bytes += encode_batch(any_batch(seed));
  EXPECT_EQ(base::hash_bytes(base::as_bytes(bytes)), 875980077866429608u);
}

TEST(WireBatch, OfAnyMetricsComesBack) {
  for (std::uint64_t seed = 0; seed < 2000 && !::testing::Test::HasFailure(); ++seed)
    expect_comes_back(any_batch_with_metrics(seed));
  Batch alone = any_batch_with_metrics(4);
  ASSERT_FALSE(alone.metrics.empty());
  alone.hops.clear();
  alone.legs.clear();
  expect_comes_back(alone);
}

TEST(WireBatch, OfMetricsHasTheBytesItAlwaysHad) {
  std::string bytes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) bytes += encode_batch(any_batch_with_metrics(seed));
  EXPECT_EQ(base::hash_bytes(base::as_bytes(bytes)), 11881628070405958892u);
}

TEST(WireBatch, TakesAsManyMetricsAsAllowed) {
  Batch batch{.points = {{}}};
  batch.metrics.resize(exporting::batch_limit::kMetricsRows);
  batch.metrics.back().values.latency.add(INT64_MAX);
  const std::string bytes = encode_batch(batch);
  EXPECT_LT(exporting::compress(bytes).size(), 200u) << "equal rows cost nothing";
  expect_comes_back(batch);
}

TEST(WireBatch, OfManyConnectionsThatAlternateComesBack) {
  Batch batch{.points = {{}, {}}};
  for (std::uint32_t at = 0; at < 3000; ++at) {
    HopRecord hop;
    hop.point = at % 2;
    hop.leg_id = at % 7 == 0 ? at : at % 5;
    hop.client_isn = at % 3;  // the same leg with other constants is another entry
    hop.record_id = 3000 - at;
    hop.request.first_ns = 1'000'000'000 + at % 11;
    hop.resource = std::to_string(at % 13);
    batch.hops.push_back(hop);
  }
  expect_comes_back(batch);
}

TEST(WireBatch, TellsReversedHopsOfALegApart) {
  Batch batch{.points = {{}}};
  HopRecord hop;
  hop.leg_id = 9;
  hop.client.port = 1;
  hop.server.port = 2;
  batch.hops = {hop, hop, hop};
  std::swap(batch.hops[1].client, batch.hops[1].server);
  expect_comes_back(batch);
}

TEST(WireBatch, CutsWhatIsLongerThanAllowed) {
  using namespace exporting::batch_limit;
  Batch batch{.points = {{.name = std::string(kNameBytes + 1, 'n')}}};
  HopRecord hop;
  hop.resource = std::string(kTextBytes + 1, 'r');
  hop.ids.resize(kIdsPerRecord + 1);
  batch.hops.push_back(hop);
  const auto decoded = decode_batch(encode_batch(batch));
  ASSERT_TRUE(decoded) << decoded.error().what;
  EXPECT_EQ(decoded->points.at(0).name.size(), kNameBytes);
  EXPECT_EQ(decoded->hops.at(0).resource.size(), kTextBytes);
  EXPECT_EQ(decoded->hops.at(0).ids.size(), kIdsPerRecord);
}

TEST(WireBatch, TakesAsManyRecordsAsAllowed) {
  Batch batch{.points = {{}}};
  batch.hops.resize(exporting::batch_limit::kRecords - 1);
  batch.legs.resize(1);
  const std::string bytes = encode_batch(batch);
  EXPECT_LT(exporting::compress(bytes).size(), 1000u) << "equal records cost nothing";
  const auto decoded = decode_batch(bytes);
  ASSERT_TRUE(decoded) << decoded.error().what;
  EXPECT_EQ(decoded->hops.size(), batch.hops.size());
}

// The sizes that docs/formats/wire.md promises, legs included.
TEST(WireBatch, OfTheLabTakesFewBytes) {
  const Batch eight = batch_of(kLab);
  const Batch one = batch_of({kLab[2]});
  EXPECT_LE(compressed_bytes(eight, 1000), 60 * eight.hops.size());
  EXPECT_LE(compressed_bytes(eight, 50), 60 * eight.hops.size());
  EXPECT_LE(compressed_bytes(one, 1000), 60 * one.hops.size());
  EXPECT_LE(compressed_bytes(one, 50), 60 * one.hops.size());
}

}  // namespace
}  // namespace hoptap::test
