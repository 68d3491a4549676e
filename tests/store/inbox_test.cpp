#include <gtest/gtest.h>

#include "demo_run.h"
#include "export/sqlite/sqlite.h"
#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

using testing::TestFolder;

std::unique_ptr<Store> open_store(const TestFolder& folder) {
  auto store = Store::open({.folder = folder.path(), .retention = {}});
  EXPECT_TRUE(store) << (store ? "" : store.error().what);
  return store ? std::move(*store) : nullptr;
}

InboxBatch batch(const std::string& instance, std::uint64_t sequence, std::uint32_t records = 3) {
  return {instance, "probe-" + instance, sequence, records, "zstd", "payload " + std::to_string(sequence), "0.1.0"};
}

TEST(Bits, AreSetOneByOne) {
  std::string bits;
  EXPECT_FALSE(has_bit(bits, 9));
  EXPECT_TRUE(all_set(bits, 0));
  set_bit(bits, 9);
  EXPECT_TRUE(has_bit(bits, 9));
  EXPECT_FALSE(all_set(bits, 10));
  for (std::size_t bit = 0; bit < 9; ++bit) set_bit(bits, bit);
  EXPECT_TRUE(all_set(bits, 10));
  EXPECT_FALSE(all_set(bits, 17));
}

TEST(Inbox, KeepsBatchesInOrderOverAReopening) {
  const TestFolder folder;
  {
    const auto store = open_store(folder);
    ASSERT_TRUE(store->append(std::vector{batch("a", 1), batch("b", 1), batch("a", 2)}));
  }
  const auto store = open_store(folder);
  const auto all = store->read_inbox(0, 10);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[2].instance, "a");
  EXPECT_EQ((*all)[2].probe, "probe-a");
  EXPECT_EQ((*all)[2].sequence, 2u);
  EXPECT_EQ((*all)[2].payload, "payload 2");
  EXPECT_EQ((*all)[2].coding, "zstd");
  EXPECT_LT((*all)[0].id, (*all)[1].id);
  const auto rest = store->read_inbox((*all)[0].id, 1);
  ASSERT_EQ(rest->size(), 1u);
  EXPECT_EQ(rest->front().id, (*all)[1].id);
  EXPECT_EQ(store->counters().inbox_batches, 3u);
  EXPECT_EQ(store->counters().inbox_records, 9u);
}

TEST(Inbox, StoresASequenceOnceAndCountsGaps) {
  const TestFolder folder;
  const auto store = open_store(folder);
  ASSERT_TRUE(store->append(std::vector{batch("a", 1), batch("a", 2), batch("a", 2), batch("a", 1)}));
  ASSERT_TRUE(store->append(std::vector{batch("a", 2), batch("a", 6)}));
  EXPECT_EQ(store->read_inbox(0, 10)->size(), 3u);
  EXPECT_EQ(*store->last_sequence("a"), 6u);
  EXPECT_EQ(*store->last_sequence("never heard of"), 0u);
  const auto probes = store->probes();
  ASSERT_EQ(probes->size(), 1u);
  EXPECT_EQ(probes->front().duplicates, 3u);
  EXPECT_EQ(probes->front().sequence_gaps, 3u);
  EXPECT_EQ(probes->front().batches, 3u);
  EXPECT_EQ(probes->front().software, "0.1.0");
  EXPECT_EQ(store->counters().batch_duplicates, 3u);
}

TEST(Inbox, ABatchGoesWhenAllItsBitsAreSet) {
  const TestFolder folder;
  const auto store = open_store(folder);
  ASSERT_TRUE(store->append(std::vector{batch("a", 1, 10), batch("a", 2, 1), batch("a", 3, 0)}));
  const auto all = store->read_inbox(0, 10);
  BatchBits some{(*all)[0].id, {}};
  for (std::size_t bit = 0; bit < 9; ++bit) set_bit(some.bits, bit);
  ASSERT_TRUE(store->finish({.traces = {}, .batches = std::vector{some, BatchBits{(*all)[2].id, ""}}}));
  const auto left = store->read_inbox(0, 10);
  ASSERT_EQ(left->size(), 2u);
  EXPECT_TRUE(has_bit((*left)[0].done, 8));
  EXPECT_FALSE(has_bit((*left)[0].done, 9));
  BatchBits last{(*all)[0].id, {}};
  set_bit(last.bits, 9);
  ASSERT_TRUE(store->finish({.traces = {}, .batches = std::vector{last, BatchBits{999, "x"}}}));
  EXPECT_EQ(store->read_inbox(0, 10)->size(), 1u);
  EXPECT_EQ(store->counters().inbox_records, 1u);
}

TEST(Inbox, AnIdIsNeverUsedAgain) {
  const TestFolder folder;
  auto store = open_store(folder);
  ASSERT_TRUE(store->append(std::vector{batch("a", 1, 0)}));
  const std::uint64_t first = store->read_inbox(0, 1)->front().id;
  ASSERT_TRUE(store->finish({.traces = {}, .batches = std::vector{BatchBits{first, ""}}}));
  store.reset();
  store = open_store(folder);
  ASSERT_TRUE(store->append(std::vector{batch("a", 2, 0)}));
  EXPECT_GT(store->read_inbox(0, 1)->front().id, first);
}

std::string refusal(const TestFolder& folder) {
  const auto store = Store::open({.folder = folder.path(), .retention = {}});
  return store ? "" : store.error().what;
}

TEST(Opening, RefusesASecondTracer) {
  const TestFolder folder;
  const auto store = open_store(folder);
  EXPECT_NE(refusal(folder).find("another tracer uses"), std::string::npos);
}

TEST(Opening, RefusesANewerFileAndAForeignOne) {
  const TestFolder folder;
  open_store(folder);
  const auto change = [&](const char* sql) {
    auto connection = SqliteConnection::open(folder.path() + "/hoptap.sqlite", SqliteConnection::Mode::kWrite, {});
    (*connection)->execute(sql);
  };
  change("PRAGMA user_version = 99");
  EXPECT_NE(refusal(folder).find("newer hoptap (schema 99"), std::string::npos);
  change("PRAGMA user_version = 1; PRAGMA application_id = 7");
  EXPECT_NE(refusal(folder).find("not one of hoptap's"), std::string::npos);
}

TEST(Opening, RefusesWhatIsNoDatabase) {
  const TestFolder folder;
  std::FILE* file = std::fopen((folder.path() + "/hoptap.sqlite").c_str(), "w");
  std::fputs(std::string(10000, 'x').c_str(), file);
  std::fclose(file);
  EXPECT_NE(refusal(folder).find("damaged or no database"), std::string::npos);
}

TEST(Opening, RefusesAFolderThatCannotBeMade) {
  const auto store = Store::open({.folder = "/proc/nothing/here", .retention = {}});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().what.find("choose a folder"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::exporting
