#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "demo_run.h"
#include "export/json.h"
#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

using testing::DemoRows;
using testing::TestFolder;

const testing::DemoRun& demo() {
  static const testing::DemoRun run = testing::demo_run();
  return run;
}

class StoreOfTraces : public ::testing::Test {
 protected:
  StoreOfTraces() {
    auto opened = Store::open({.folder = folder_.path(), .retention = {}});
    if (opened) store_ = std::move(*opened);
  }
  void SetUp() override {
    ASSERT_NE(store_, nullptr);
    ASSERT_GT(demo().traces.size(), 50u);
    ASSERT_TRUE(store_->put_traces({.put = rows_.rows, .remove = {}}));
  }

  /// All pages of the filter, `limit` at a time.
  std::vector<std::uint64_t> ids(const TraceFilter& filter, std::size_t limit = 1000) {
    std::vector<std::uint64_t> found;
    std::optional<TraceCursor> cursor;
    do {
      const auto page = store_->traces(filter, cursor, limit);
      EXPECT_TRUE(page) << (page ? "" : page.error().what);
      if (!page) break;
      EXPECT_LE(page->traces.size(), limit);
      for (const StoredTrace& trace : page->traces) found.push_back(trace.id);
      cursor = page->next;
    } while (cursor);
    return found;
  }

  /// The same, found the slow way.
  template <class Wanted>
  static std::set<std::uint64_t> expected(Wanted wanted) {
    std::set<std::uint64_t> found;
    for (const JudgedTrace& judged : demo().traces) {
      if (wanted(judged)) found.insert(judged.trace.id);
    }
    return found;
  }
  template <class Wanted>
  void expect_same(const TraceFilter& filter, Wanted wanted) {
    const std::vector<std::uint64_t> found = ids(filter, 7);
    const std::set<std::uint64_t> right = expected(wanted);
    EXPECT_EQ(std::set(found.begin(), found.end()), right);
    EXPECT_EQ(found.size(), right.size()) << "one came twice";
    EXPECT_FALSE(right.empty()) << "the test shows nothing";
    EXPECT_LT(right.size(), demo().traces.size() + 1);
  }

  TestFolder folder_;
  std::unique_ptr<Store> store_;
  DemoRows rows_{demo().traces};
};

const flowtable::HopRecord& first(const JudgedTrace& judged) { return judged.trace.telling_hop().record; }

TEST_F(StoreOfTraces, GivesBackTheBytes) {
  for (std::size_t at = 0; at < demo().traces.size(); ++at) {
    const auto trace = store_->trace(demo().traces[at].trace.id);
    ASSERT_TRUE(trace && *trace);
    EXPECT_EQ(base::as_text((*trace)->encoded), rows_.bytes[at]);
    EXPECT_FALSE((*trace)->final);
  }
  const auto none = store_->trace(12345);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST_F(StoreOfTraces, PagesThroughAllNewestFirst) {
  std::uint64_t before = ~std::uint64_t{0};
  std::vector<std::uint64_t> all = ids({}, 7);
  ASSERT_EQ(all.size(), demo().traces.size());
  for (const std::uint64_t id : all) {
    const auto judged = decode_trace((*store_->trace(id))->encoded);
    EXPECT_LE(start_ns(judged->trace), before);
    before = start_ns(judged->trace);
  }
  EXPECT_EQ(ids({}), all);
}

TEST_F(StoreOfTraces, FiltersByTime) {
  std::vector<std::uint64_t> starts;
  for (const JudgedTrace& judged : demo().traces) starts.push_back(start_ns(judged.trace));
  std::sort(starts.begin(), starts.end());
  const std::uint64_t from = starts[starts.size() / 4], to = starts[starts.size() / 2];
  expect_same({.from_ns = from, .to_ns = to},
              [&](const JudgedTrace& judged) { return start_ns(judged.trace) >= from && start_ns(judged.trace) < to; });
}

TEST_F(StoreOfTraces, FiltersByPathAndPoint) {
  const JudgedTrace& one = demo().traces.front();
  std::string points;
  for (const linker::Hop& hop : one.trace.hops) points += (points.empty() ? "" : ",") + hop.point;
  const auto same_path = [&](const JudgedTrace& judged) { return judged.trace.path == one.trace.path; };
  expect_same({.path = one.trace.path}, same_path);
  expect_same({.path_points = points}, same_path);
  const std::string point = one.trace.hops[1].point;
  expect_same({.point = point}, [&](const JudgedTrace& judged) {
    return std::any_of(judged.trace.hops.begin(), judged.trace.hops.end(),
                       [&](const linker::Hop& hop) { return hop.point == point; });
  });
  EXPECT_TRUE(ids({.point = "nowhere"}).empty());
  EXPECT_TRUE(ids({.path = 77}).empty());
}

TEST_F(StoreOfTraces, FiltersByWhatWasAskedAndAnswered) {
  const JudgedTrace& one = demo().traces.front();
  expect_same({.endpoint = first(one).endpoint},
              [&](const JudgedTrace& judged) { return first(judged).endpoint == first(one).endpoint; });
  expect_same({.protocol = first(one).protocol},
              [&](const JudgedTrace& judged) { return first(judged).protocol == first(one).protocol; });
  const std::string prefix = first(one).resource.substr(0, 3);
  expect_same({.resource_prefix = prefix},
              [&](const JudgedTrace& judged) { return first(judged).resource.rfind(prefix, 0) == 0; });
  expect_same({.status_min = 200, .status_max = 299},
              [](const JudgedTrace& judged) { return first(judged).has_status && first(judged).status / 100 == 2; });
  EXPECT_TRUE(ids({.status_min = 599}).empty());
  EXPECT_TRUE(ids({.endpoint = "nobody"}).empty());
  EXPECT_TRUE(ids({.resource_prefix = std::string(3, '\xff')}).empty());
}

TEST_F(StoreOfTraces, FiltersByDurationAndVerdict) {
  std::vector<std::int64_t> times;
  for (const JudgedTrace& judged : demo().traces) times.push_back(judged.trace.response_time_ns);
  std::sort(times.begin(), times.end());
  const std::int64_t most = times[times.size() * 9 / 10];
  expect_same({.min_duration_ns = most},
              [&](const JudgedTrace& judged) { return judged.trace.response_time_ns >= most; });
  for (const JudgedTrace& judged : demo().traces) {
    const linker::Verdict& wanted = judged.judgement.verdict;
    expect_same({.verdict = wanted.kind},
                [&](const JudgedTrace& other) { return other.judgement.verdict.kind == wanted.kind; });
    if (wanted.from.empty()) continue;
    expect_same({.slow_from = wanted.from, .slow_to = wanted.to}, [&](const JudgedTrace& other) {
      return other.judgement.verdict.from == wanted.from && other.judgement.verdict.to == wanted.to;
    });
    EXPECT_TRUE(ids({.slow_from = wanted.to, .slow_to = wanted.from}).empty());
    break;
  }
}

TEST_F(StoreOfTraces, ARevisionTakesThePlaceOfTheOneBefore) {
  JudgedTrace changed = demo().traces.front();
  changed.judgement.verdict.kind = linker::VerdictKind::kTransfer;
  const std::vector<JudgedTrace> revised{changed};
  const DemoRows again(revised, 2);
  ASSERT_TRUE(store_->put_traces({.put = again.rows, .remove = {}}));
  EXPECT_EQ(ids({}).size(), demo().traces.size());
  const auto trace = store_->trace(changed.trace.id);
  EXPECT_EQ((*trace)->revision, 2u);
  EXPECT_EQ(base::as_text((*trace)->encoded), again.bytes[0]);
  EXPECT_EQ(ids({.verdict = linker::VerdictKind::kTransfer}), std::vector{changed.trace.id});
  EXPECT_EQ(store_->counters().traces, demo().traces.size());
}

TEST_F(StoreOfTraces, OldIdsLeadToTheNewTrace) {
  const std::uint64_t one = demo().traces[0].trace.id, two = demo().traces[1].trace.id,
                      three = demo().traces[2].trace.id;
  using Renames = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  ASSERT_TRUE(store_->put_traces({.put = {}, .remove = std::vector{one}, .renamed = Renames{{one, two}}}));
  EXPECT_EQ((*store_->trace(one))->id, two);
  ASSERT_TRUE(store_->put_traces({.put = {}, .remove = std::vector{two}, .renamed = Renames{{two, three}}}));
  EXPECT_EQ((*store_->trace(one))->id, three);
  EXPECT_EQ((*store_->trace(two))->id, three);
  ASSERT_TRUE(store_->put_traces({.put = {}, .remove = std::vector{three}}));
  EXPECT_FALSE(*store_->trace(one));
  EXPECT_EQ(ids({}).size(), demo().traces.size() - 3);
}

TEST_F(StoreOfTraces, AreOpenUntilFinished) {
  auto open = store_->open_traces();
  ASSERT_EQ(open->size(), demo().traces.size());
  EXPECT_EQ(open->front().digest, base::hash_bytes(base::as_bytes(rows_.bytes.front())));
  const std::vector ids{demo().traces[0].trace.id, std::uint64_t{4711}};
  ASSERT_TRUE(store_->finish({.traces = ids, .batches = {}}));
  EXPECT_EQ(store_->open_traces()->size(), demo().traces.size() - 1);
  EXPECT_EQ(store_->counters().open_traces, demo().traces.size() - 1);
  EXPECT_TRUE((*store_->trace(ids[0]))->final);
}

TEST_F(StoreOfTraces, AQueryThatTakesTooLongIsRefused) {
  store_.reset();
  auto opened = Store::open({.folder = folder_.path(), .retention = {}, .query_steps_max = 1});
  ASSERT_TRUE(opened);
  std::vector<JudgedTrace> many(3000, demo().traces.front());
  for (std::size_t at = 0; at < many.size(); ++at) many[at].trace.id = at + 1;
  const DemoRows rows(many);
  ASSERT_TRUE((*opened)->put_traces({.put = rows.rows, .remove = {}}));
  const auto page = (*opened)->traces({.min_duration_ns = INT64_MAX}, {}, 10);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().what, Store::kQueryTooLong);
  EXPECT_TRUE(*(*opened)->trace(1)) << "a look at one trace takes few steps";
}

TEST_F(StoreOfTraces, KeepsVerdictsSegmentsPointsAndLegs) {
  linker::RunVerdict verdict = demo().verdict;
  const std::vector<WindowRow> windows{{10, 20, verdict}, {20, 30, verdict}, {0, 0, verdict, true}};
  ASSERT_TRUE(store_->put_stretches({.windows = windows}));
  verdict.text = "changed";
  ASSERT_TRUE(store_->put_stretches({.windows = std::vector<WindowRow>{{20, 30, verdict}}}));
  const auto read = store_->windows({});
  ASSERT_EQ(read->size(), 3u);
  EXPECT_TRUE((*read)[0].recent);
  EXPECT_EQ((*read)[1].verdict.text, "changed");
  EXPECT_EQ((*read)[2].start_ns, 10u);

  base::Sketch times;
  times.add(1'000'000);
  const auto segment = [&](std::uint64_t start, const char* from, const char* to) {
    return SegmentRow{start, 10, linker::PartKind::kSegment, from, to, times, 1, 2, 2.5};
  };
  const std::vector segments{segment(10, "a", "b"), segment(20, "a", "b"), segment(20, "b", "c"),
                             segment(20, "b", "d")};
  ASSERT_TRUE(store_->put_stretches({.segments = segments}));
  EXPECT_EQ(store_->segments({})->size(), 4u);
  const std::vector<std::uint64_t> starts{20};  // what is not given anew is no more
  ASSERT_TRUE(store_->put_stretches({.starts_ns = starts, .segments = std::span(segments).subspan(1, 2)}));
  EXPECT_EQ(store_->segments({})->size(), 3u);
  EXPECT_EQ(store_->windows({})->size(), 2u);
  const auto one = store_->segments({.from_ns = 15, .segment_from = "a", .segment_to = "b"});
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ(one->front().losses, 2.5);
  EXPECT_EQ(one->front().times.count(), 1u);
  EXPECT_EQ(store_->segments({.point = "c"})->size(), 1u);

  PointRow point{"tor", "switch", "p1", 0.98, {}, 1, 2, 3, 4, 5, {}, 1.00001, -5, 7, {"a"}, {"b", "c"}};
  point.stamps = {{.by = "erspan", .unit_ns = 100, .packets = 42}, {.by = "kernel", .unit_ns = 1}};
  ASSERT_TRUE(store_->put_points(std::vector{point}));
  const auto points = store_->points();
  ASSERT_EQ(points->size(), 1u);
  EXPECT_EQ(points->front().name, "tor");
  EXPECT_EQ(points->front().completeness_to_server, 0.98);
  EXPECT_FALSE(points->front().completeness_to_client);
  EXPECT_EQ(points->front().clock_offset_ns, -5);
  EXPECT_EQ(points->front().towards_server, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(points->front().stamps, point.stamps);

  std::vector<LegRow> legs;
  for (const flowtable::LegRecord& leg : demo().legs) legs.push_back({&leg, "tor"});
  ASSERT_FALSE(legs.empty());
  EXPECT_TRUE(store_->put_legs(legs));
}

}  // namespace
}  // namespace hoptap::exporting
