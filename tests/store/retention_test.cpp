#include <gtest/gtest.h>

#include "demo_run.h"
#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

using testing::DemoRows;
using testing::TestFolder;

constexpr std::uint64_t kSecond = 1'000'000'000;

/// Copies of one trace, a second apart, from second 1 on; ids count from 1.
std::vector<JudgedTrace> traces(std::size_t count) {
  static const testing::DemoRun run = testing::demo_run();
  std::vector<JudgedTrace> made(count, run.traces.front());
  for (std::size_t at = 0; at < count; ++at) {
    made[at].trace.id = at + 1;
    for (linker::Hop& hop : made[at].trace.hops) hop.record.request.first_ns = (at + 1) * kSecond;
    for (linker::Hop& hop : made[at].trace.hops) hop.record.leg_id = 0x9e3779b97f4a7c15 * (at + 1);
  }
  return made;
}

std::unique_ptr<Store> store_of(const TestFolder& folder, Retention retention, std::size_t count) {
  auto store = Store::open({.folder = folder.path(), .retention = retention});
  if (!store) return nullptr;
  const std::vector<JudgedTrace> made = traces(count);
  const DemoRows rows(made);
  if (!(*store)->put_traces({.put = rows.rows, .remove = {}})) return nullptr;
  return std::move(*store);
}

void finish_all(Store& store, std::size_t count) {
  std::vector<std::uint64_t> ids;
  for (std::size_t id = 1; id <= count; ++id) ids.push_back(id);
  ASSERT_TRUE(store.finish({.traces = ids, .batches = {}}));
}

TEST(Retention, DeletesWhatIsOldButNothingOpen) {
  const TestFolder folder;
  const auto store = store_of(folder, {.age_s = 100}, 50);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(*store->retain(120 * kSecond), 0u) << "all are open";
  finish_all(*store, 40);
  EXPECT_EQ(*store->retain(120 * kSecond), 19u);
  EXPECT_FALSE(*store->trace(19));
  EXPECT_TRUE(*store->trace(20));
  EXPECT_EQ(*store->retain(1000 * kSecond), 21u);
  EXPECT_EQ(store->counters().traces, 10u);
  EXPECT_EQ(store->counters().traces_expired, 40u);
  EXPECT_EQ(*store->retain(5), 0u) << "before there is anything";
}

TEST(Retention, DeletesTheOldestWhenThereIsTooMuchAndGivesSpaceBack) {
  const TestFolder folder;
  constexpr std::size_t kCount = 12000;
  auto store = store_of(folder, {.age_s = 1u << 30, .bytes_max = 4u << 20}, kCount);
  ASSERT_NE(store, nullptr);
  finish_all(*store, kCount);
  ASSERT_TRUE(store->retain(0));
  EXPECT_FALSE(*store->trace(1));
  EXPECT_TRUE(*store->trace(kCount));
  const StoreCounters counters = store->counters();
  EXPECT_GT(counters.traces, 500u) << "no more than needed";
  EXPECT_LT(counters.file_bytes, 10u << 20);
  EXPECT_EQ(counters.traces + counters.traces_expired, kCount);
}

TEST(Retention, ForgetsOldVerdictsSegmentsAndLegs) {
  const TestFolder folder;
  const auto store = store_of(folder, {.age_s = 100}, 1);
  const std::vector<WindowRow> windows{{kSecond, 2 * kSecond, {}}, {0, 0, {}, true}};
  const std::vector<SegmentRow> segments{{kSecond, kSecond, {}, "a", "b", {}, 0, 0, 0}};
  ASSERT_TRUE(store->put_stretches({.windows = windows, .segments = segments}));
  EXPECT_EQ(store->windows({})->size(), 2u);
  ASSERT_TRUE(store->retain(1000 * kSecond));
  EXPECT_EQ(store->windows({})->size(), 1u) << "the recent one stays";
  EXPECT_TRUE(store->segments({})->empty());
}

}  // namespace
}  // namespace hoptap::exporting
