#include "appliance/tracer/ingest.h"

#include <gtest/gtest.h>

#include <future>

#include "stream.h"
#include "tests/unit/metrics_records.h"

namespace hoptap::test {
namespace {

using appliance::Ingest;
using exporting::StoreOutcome;
using exporting::StoreResult;

exporting::ProbeHello hello_of(const std::string& probe, char instance) {
  exporting::ProbeHello hello;
  hello.probe = probe;
  hello.instance = std::string(16, instance);
  hello.peer = "127.0.0.1:9";
  return hello;
}

exporting::ReceivedBatch batch_of(std::uint64_t sequence, const std::string& point, std::uint32_t announced = 1,
                                  std::size_t points = 1) {
  exporting::Batch batch;
  batch.points.resize(points);
  for (std::size_t at = 0; at < points; ++at) batch.points[at].name = point + (at == 0 ? "" : std::to_string(at));
  batch.hops.resize(1);
  exporting::ReceivedBatch received;
  received.sequence = sequence;
  received.records = announced;
  received.coding = "zstd";
  received.payload = exporting::compress(exporting::encode_batch(batch));
  return received;
}

StoreResult store(Ingest& ingest, const exporting::ProbeHello& hello, exporting::ReceivedBatch batch) {
  std::promise<StoreResult> promise;
  ingest.store(hello, std::move(batch), [&](StoreResult result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

class IngestTest : public ::testing::Test {
 protected:
  Scratch scratch_;
  std::unique_ptr<exporting::Store> store_ = open_store(scratch_);
  std::atomic<int> commits_{0};
  std::unique_ptr<Ingest> ingest_ = std::make_unique<Ingest>(*store_, [this] { ++commits_; });
};

TEST_F(IngestTest, AnswersWhenABatchIsInTheInbox) {
  const auto hello = hello_of("a", '1');
  ASSERT_EQ(*ingest_->welcome(hello), 0u);
  EXPECT_EQ(store(*ingest_, hello, batch_of(1, "p")).outcome, StoreOutcome::kStored);
  EXPECT_EQ(store_->read_inbox(0, 10)->size(), 1u);
  EXPECT_EQ(store(*ingest_, hello, batch_of(5, "p")).outcome, StoreOutcome::kStored);
  ingest_->goodbye(hello);
  EXPECT_EQ(*ingest_->welcome(hello), 5u) << "what is stored is not sent again";
  EXPECT_EQ(ingest_->counters().records, 2u);
  ingest_.reset();
  EXPECT_GE(commits_, 1);
}

TEST_F(IngestTest, AddsUpMetricsOnce) {
  const auto hello = hello_of("a", '1');
  exporting::Batch batch{.points = {{.name = "tor-1"}}};
  const flowtable::HopRecord hop = hop_of(1, 100 * kSecondNs);
  batch.metrics.push_back({.start_ns = 100 * kSecondNs, .length_ns = kSecondNs, .key = exporting::key_of(hop, 0)});
  batch.metrics[0].values.add(hop);
  const std::string payload = exporting::encode_batch(batch);
  for (int restart = 0; restart < 2; ++restart) {
    ASSERT_TRUE(ingest_->welcome(hello));
    for (const std::uint64_t sequence : {1u, 2u, 2u, 1u})
      EXPECT_EQ(store(*ingest_, hello, {sequence, 0, "identity", payload}).outcome, StoreOutcome::kStored);
  }
  exporting::MetricsWriter out(exporting::MetricsFormat::kText);
  ingest_->traffic().write(out);
  EXPECT_NE(out.finish().find("hoptap_requests_total{point=\"tor-1\",client=\"10.0.0.1\",server=\"10.255.255.1\","
                              "server_port=\"80\",transport=\"tcp\",protocol=\"http\"} 2\n"),
            std::string::npos);
  std::uint64_t requests = 0;
  ASSERT_TRUE(store_->metrics({}, [&](exporting::StoredMetrics&& row) {
    requests += row.row.values.sums.count(exporting::Count::kRequests);
    return true;
  }));
  EXPECT_EQ(requests, 2u);
}

TEST_F(IngestTest, RefusesWhatIsNoBatchInWords) {
  const auto hello = hello_of("a", '1');
  ASSERT_TRUE(ingest_->welcome(hello));
  exporting::ReceivedBatch bad = batch_of(1, "p");
  bad.payload.resize(bad.payload.size() / 2);
  const StoreResult cut = store(*ingest_, hello, std::move(bad));
  EXPECT_EQ(cut.outcome, StoreOutcome::kMalformed);
  EXPECT_FALSE(cut.words.empty());
  const StoreResult counted = store(*ingest_, hello, batch_of(2, "p", 7));
  EXPECT_EQ(counted.outcome, StoreOutcome::kMalformed);
  EXPECT_NE(counted.words.find("7"), std::string::npos);
  EXPECT_EQ(store(*ingest_, hello, batch_of(3, "p")).outcome, StoreOutcome::kStored) << "the next one is welcome";
  EXPECT_EQ(ingest_->counters().malformed, 2u);
  EXPECT_EQ(store_->read_inbox(0, 10)->size(), 1u);
}

TEST_F(IngestTest, APointBelongsToOneProbeWhileThatIsThere) {
  const auto first = hello_of("first", '1'), second = hello_of("second", '2');
  ASSERT_TRUE(ingest_->welcome(first) && ingest_->welcome(second));
  EXPECT_EQ(store(*ingest_, first, batch_of(1, "eth0")).outcome, StoreOutcome::kStored);
  const StoreResult refused = store(*ingest_, second, batch_of(1, "eth0"));
  EXPECT_EQ(refused.outcome, StoreOutcome::kUnavailable);
  EXPECT_NE(refused.words.find("'first'"), std::string::npos) << refused.words;
  EXPECT_EQ(store(*ingest_, second, batch_of(2, "eth1")).outcome, StoreOutcome::kUnavailable)
      << "nothing may pass one that was not stored";
  ingest_->goodbye(second);
  ingest_->goodbye(first);
  ASSERT_EQ(*ingest_->welcome(second), 0u);
  EXPECT_EQ(store(*ingest_, second, batch_of(1, "eth0")).outcome, StoreOutcome::kStored) << "the first one is gone";
  EXPECT_EQ(store(*ingest_, second, batch_of(2, "eth1")).outcome, StoreOutcome::kStored);
}

TEST_F(IngestTest, PointsAreBoundedAndThoseOfProbesThatAreGoneMakeRoom) {
  constexpr std::size_t kEach = exporting::batch_limit::kPoints;
  std::vector<exporting::ProbeHello> probes;
  for (char name = 'a'; probes.size() < Ingest::kPointsMax / kEach; ++name) {
    probes.push_back(hello_of(std::string(1, name), name));
    ASSERT_TRUE(ingest_->welcome(probes.back()));
    const StoreResult stored = store(*ingest_, probes.back(), batch_of(1, probes.back().probe, 1, kEach));
    EXPECT_EQ(stored.outcome, StoreOutcome::kStored) << stored.words;
  }
  const auto further = hello_of("further", 'z');
  ASSERT_TRUE(ingest_->welcome(further));
  EXPECT_EQ(store(*ingest_, further, batch_of(1, "one more")).outcome, StoreOutcome::kUnavailable) << "it keeps it";
  ingest_->goodbye(probes.front());
  ingest_->goodbye(further);
  ASSERT_TRUE(ingest_->welcome(further));
  EXPECT_EQ(store(*ingest_, further, batch_of(1, "one more")).outcome, StoreOutcome::kStored);
  ingest_.reset();
  EXPECT_EQ(commits_, static_cast<int>(probes.size()) + 1);
}

TEST_F(IngestTest, ManyProbesAtOnceLoseNothing) {
  constexpr std::uint64_t kBatches = 50;
  std::vector<std::thread> probes;
  std::atomic<int> stored{0};
  for (char probe = 'a'; probe < 'i'; ++probe) {
    probes.emplace_back([&, probe] {
      const auto hello = hello_of(std::string(1, probe), probe);
      if (!ingest_->welcome(hello)) return;
      for (std::uint64_t number = 1; number <= kBatches; ++number)
        ingest_->store(hello, batch_of(number, hello.probe),
                       [&](const StoreResult& result) { stored += result.outcome == StoreOutcome::kStored ? 1 : 0; });
    });
  }
  for (std::thread& probe : probes) probe.join();
  ingest_.reset();  // answers all
  EXPECT_EQ(stored, 8 * static_cast<int>(kBatches));
  EXPECT_EQ(store_->read_inbox(0, 10'000)->size(), 8 * kBatches);
  for (char probe = 'a'; probe < 'i'; ++probe) EXPECT_EQ(*store_->last_sequence(std::string(16, probe)), kBatches);
}

TEST_F(IngestTest, RemembersABoundedNumberOfSpools) {
  for (std::size_t number = 0; number < Ingest::kInstancesMax + 100; ++number) {
    auto hello = hello_of("stranger", 'x');
    const std::string name = std::to_string(number);
    hello.instance.replace(0, name.size(), name);
    ASSERT_TRUE(ingest_->welcome(hello));
    ingest_->goodbye(hello);
  }
  EXPECT_LE(ingest_->probes().size(), Ingest::kInstancesMax);
}

}  // namespace
}  // namespace hoptap::test
