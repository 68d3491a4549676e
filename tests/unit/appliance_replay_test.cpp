// A replay at the pace of the packets gives what one as fast as can be gives, and nothing before its time.
#include "appliance/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace hoptap::appliance {
namespace {

/// What tells the records apart, in the order in which they came.
class Kept final : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord& record) override { records.push_back(name(record) + "/hop"); }
  void leg(const flowtable::LegRecord& record) override { records.push_back(name(record) + "/leg"); }
  std::vector<std::string> records;

 private:
  template <class Record>
  static std::string name(const Record& record) {
    return std::to_string(record.point) + "/" + std::to_string(record.leg_id) + "/" + std::to_string(record.flags);
  }
};

std::vector<std::string> captures() {
  std::vector<std::string> paths;
  for (const char* name : {"01_pod-a", "04_switch-a", "08_pod-b"})
    paths.push_back(std::string(HOPTAP_PCAPS) + "/lab/demo/captures/" + name + ".pcap");
  return paths;
}

Replay open(Kept& kept) {
  auto replay = Replay::open(captures(), {}, kept);
  EXPECT_TRUE(replay) << replay.error().what;
  return std::move(*replay);
}

/// Reads on by so much packet time at once.
std::vector<std::string> in_strides(std::uint64_t stride_ns) {
  Kept kept;
  Replay replay = open(kept);
  for (std::uint64_t elapsed_ns = 0; replay.read_until(elapsed_ns);) elapsed_ns += stride_ns;
  return kept.records;
}

TEST(Replay, GivesTheSameInTheSameOrderAtAnyPace) {
  Kept fast;
  Replay replay = open(fast);
  while (replay.step()) {
  }
  std::vector<std::string> all = in_strides(1ull << 62);
  EXPECT_EQ(in_strides(1'000'000), all);
  EXPECT_EQ(in_strides(70'000'001), all);
  ASSERT_GT(all.size(), 100u);
  std::sort(all.begin(), all.end());
  std::sort(fast.records.begin(), fast.records.end());
  EXPECT_EQ(all, fast.records);
}

TEST(Replay, ReadsNothingBeforeItsTime) {
  Kept kept;
  Replay replay = open(kept);
  std::uint64_t began_ns = UINT64_MAX;
  replay.read_until(0);
  for (const auto& feed : replay.feeds()) began_ns = std::min(began_ns, feed->captured_first_ns());
  std::uint64_t elapsed_ns = 0;
  for (int steps = 0; const auto next_ns = replay.read_until(elapsed_ns); ++steps) {
    ASSERT_GT(*next_ns, elapsed_ns);
    for (const auto& feed : replay.feeds()) ASSERT_LE(feed->now_ns(), began_ns + elapsed_ns) << steps;
    elapsed_ns = *next_ns;
  }
  EXPECT_GT(elapsed_ns, 100'000'000u);
}

}  // namespace
}  // namespace hoptap::appliance
