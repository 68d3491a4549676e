#include <gtest/gtest.h>

#include <map>

#include "demo_run.h"
#include "export/metrics/row_codec.h"
#include "export/sqlite/sqlite.h"
#include "export/store/store.h"
#include "tests/unit/metrics_records.h"

namespace hoptap::exporting {
namespace {

using hoptap::test::flow_of;
using hoptap::test::hop_of;
using hoptap::test::kSecondNs;
using testing::TestFolder;

constexpr std::uint64_t kMinute = 28'333'333ull * 60 * kSecondNs;

std::unique_ptr<Store> open_store(const TestFolder& folder, std::size_t rows_max = 2000) {
  auto store = Store::open({.folder = folder.path(),
                            .retention = {.age_s = 600},
                            .metrics_rows_max = rows_max,
                            .metrics_seconds_kept_s = 100});
  EXPECT_TRUE(store) << (store ? "" : store.error().what);
  return store ? std::move(*store) : nullptr;
}

MetricsRow row_of(std::uint32_t client, std::uint64_t start_ns) {
  const flowtable::HopRecord hop = hop_of(client, start_ns + 5, client % 3 == 0 ? 500 : 200);
  MetricsRow row{.start_ns = start_ns, .length_ns = kSecondNs, .key = key_of(hop, 0)};
  row.values.add(hop);
  row.values.add(flow_of(client, start_ns));
  return row;
}

InboxBatch batch(std::uint64_t sequence, std::vector<MetricsRow> rows) {
  return {"spool", "probe", sequence, 0, "zstd", "payload", "", {"tor-1", "node-7"}, std::move(rows)};
}

std::vector<StoredMetrics> all(Store& store, const MetricsFilter& filter = {}) {
  std::vector<StoredMetrics> rows;
  const auto read = store.metrics(filter, [&](StoredMetrics&& row) {
    rows.push_back(std::move(row));
    return true;
  });
  EXPECT_TRUE(read) << read.error().what;
  return rows;
}

MetricsValues sum(const std::vector<StoredMetrics>& rows) {
  MetricsValues values;
  for (const StoredMetrics& row : rows) values.add(row.row.values);
  return values;
}

TEST(StoredMetrics, AddUpByMinuteOverBatchesAndReopenings) {
  const TestFolder folder;
  MetricsValues expected;
  std::uint64_t sequence = 0;
  for (int opened = 0; opened < 3; ++opened) {
    const auto store = open_store(folder);
    for (int at = 0; at < 4; ++at) {
      std::vector<MetricsRow> rows;
      for (std::uint32_t client = 0; client < 5; ++client)
        rows.push_back(row_of(client, kMinute + sequence * 13 * kSecondNs));
      for (const MetricsRow& row : rows) expected.add(row.values);
      ++sequence;
      ASSERT_TRUE(store->append(std::vector{batch(sequence, rows), batch(sequence, rows)})) << "the second is no news";
    }
  }
  const auto store = open_store(folder);
  const auto rows = all(*store);
  EXPECT_EQ(rows.size(), 3u * 5) << "12 batches over 156 s";
  EXPECT_EQ(sum(rows), expected);
  EXPECT_EQ(rows.front().row.start_ns, kMinute + 120 * kSecondNs) << "newest first";
  EXPECT_EQ(rows.front().row.length_ns, Store::kMetricsNs);
  EXPECT_EQ(rows.front().point, "tor-1");
  EXPECT_EQ(rows.front().row.key.client.text().substr(0, 5), "10.0.");
  EXPECT_EQ(rows.front().row.key.server.text(), "10.255.255.1:80");
  EXPECT_EQ(rows.front().row.key.protocol, "http");
  EXPECT_EQ(store->counters().inbox_batches, 12u);
  const auto seconds = all(*store, {.seconds = true});
  EXPECT_EQ(seconds.size(), 12u * 5);
  EXPECT_EQ(sum(seconds), expected);
  EXPECT_EQ(seconds.front().row.start_ns, kMinute + 11 * 13 * kSecondNs);
  EXPECT_EQ(seconds.front().row.length_ns, kSecondNs);
}

TEST(StoredMetrics, AreFoundByWhatIsGiven) {
  const TestFolder folder;
  const auto store = open_store(folder);
  std::vector<MetricsRow> rows{row_of(1, kMinute), row_of(2, kMinute), row_of(1, kMinute + 60 * kSecondNs)};
  rows[1].key.point = 1;
  rows[1].key.protocol = "";
  rows[2].key.server.port = 81;
  rows.push_back(rows[0]);
  rows[3].key = rows[0].key.wider();
  ASSERT_TRUE(store->append(std::vector{batch(1, rows)}));
  EXPECT_EQ(all(*store).size(), 4u);
  EXPECT_EQ(all(*store, {.from_ns = kMinute + 1}).size(), 1u);
  EXPECT_EQ(all(*store, {.to_ns = kMinute + 1}).size(), 3u);
  EXPECT_EQ(all(*store, {.point = "node-7"}).size(), 1u);
  EXPECT_EQ(all(*store, {.client = "10.0.0.1"}).size(), 2u);
  EXPECT_EQ(all(*store, {.server = "10.255.255.1", .server_port = 81}).size(), 1u);
  EXPECT_EQ(all(*store, {.protocol = "http"}).size(), 3u);
  EXPECT_EQ(all(*store, {.protocol = "dns"}).size(), 0u);
  std::size_t taken = 0;
  ASSERT_TRUE(store->metrics({}, [&](StoredMetrics&&) { return ++taken < 2; }));
  EXPECT_EQ(taken, 2u);
}

TEST(StoredMetrics, OverTheLimitWidenAndStayWhole) {
  const TestFolder folder;
  const auto store = open_store(folder, 8);
  MetricsValues expected;
  for (std::uint64_t sequence = 1; sequence <= 6; ++sequence) {
    std::vector<MetricsRow> rows;
    for (std::uint32_t client = 0; client < 5; ++client) {
      MetricsRow row = row_of(client + static_cast<std::uint32_t>(sequence) * 3, kMinute);
      row.key.server.port = static_cast<std::uint16_t>(sequence);
      expected.add(row.values);
      rows.push_back(std::move(row));
    }
    ASSERT_TRUE(store->append(std::vector{batch(sequence, rows)}));
  }
  const auto rows = all(*store);
  std::map<RowScope, std::size_t> scopes;
  for (const StoredMetrics& row : rows) ++scopes[row.row.key.scope];
  EXPECT_EQ(scopes[RowScope::kClient], 8u);
  EXPECT_EQ(scopes[RowScope::kServer], 3u);
  EXPECT_EQ(scopes[RowScope::kPoint], 1u);
  EXPECT_EQ(sum(rows), expected);
  EXPECT_GT(store->counters().metrics_overflow, 0u);
}

TEST(StoredMetrics, AreForgottenByMinute) {
  const TestFolder folder;
  const auto store = open_store(folder);
  std::vector<MetricsRow> rows;
  for (std::uint64_t minute = 0; minute < 20; ++minute) rows.push_back(row_of(1, kMinute + minute * 60 * kSecondNs));
  ASSERT_TRUE(store->append(std::vector{batch(1, rows)}));
  ASSERT_TRUE(store->retain(kMinute + 1200 * kSecondNs));  // keeps 600 s
  EXPECT_EQ(all(*store).size(), 10u);
  EXPECT_EQ(all(*store, {.seconds = true}).size(), 1u) << "100 s of them are kept";
}

TEST(StoredMetrics, ComeToAFileOfTheFirstSchema) {
  const TestFolder folder;
  open_store(folder);
  {
    auto old = SqliteConnection::open(folder.path() + "/hoptap.sqlite", SqliteConnection::Mode::kWrite, {});
    std::string undo = "DROP TABLE metrics; ALTER TABLE point DROP COLUMN stamps; PRAGMA user_version = 1";
    for (const char* end : {"client", "server"})
      for (const char* what : {"pid", "executable", "container"})
        undo += std::string("; ALTER TABLE leg DROP COLUMN ") + end + "_" + what;
    (*old)->execute(undo.c_str());
  }
  const auto store = open_store(folder);
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(store->append(std::vector{batch(1, {row_of(1, kMinute)})}));
  EXPECT_EQ(all(*store).size(), 1u);
}

TEST(MetricsCodec, GivesBackWhatItGot) {
  hoptap::test::AnyNumber any(9);
  for (int at = 0; at < 500; ++at) {
    const MetricsValues values = any_metrics(any, 1).values;
    std::vector<std::uint8_t> bytes;
    encode(values, bytes);
    const auto decoded = decode_metrics(bytes);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, values);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_metrics(base::Bytes(bytes).first(cut)));
    for (std::uint8_t& byte : bytes) {
      const std::uint8_t before = byte;
      byte = static_cast<std::uint8_t>(~byte);
      static_cast<void>(decode_metrics(bytes));  // no harm
      byte = before;
    }
    bytes.push_back(0);
    EXPECT_FALSE(decode_metrics(bytes));
  }
  std::vector<std::uint8_t> nothing;
  encode(MetricsValues{}, nothing);
  EXPECT_LT(nothing.size(), 10u);
}

}  // namespace
}  // namespace hoptap::exporting
