// The ceilings of memory and CPU: what they cut down, and in which order.
#include <gtest/gtest.h>

#include "appliance/probe/cpu_ceiling.h"
#include "appliance/probe/memory_ceiling.h"

namespace hoptap::test {
namespace {

using appliance::CpuCeiling;
using appliance::ProbeConfig;
using flowtable::Strain;

constexpr std::uint64_t kMs = 1'000'000, kSecond = 1'000'000'000, kMiB = 1u << 20;

ProbeConfig listening(std::size_t workers, std::uint32_t ring_mib) {
  ProbeConfig config;
  appliance::LiveInput input;
  input.workers = workers;
  input.capture.block_count = ring_mib;
  config.interfaces.push_back(input);
  return config;
}

TEST(MemoryCeiling, CutsAllLimitsByTheSamePart) {
  ProbeConfig config = listening(2, 8);
  config.memory_bytes_max = 256 * kMiB;
  const ProbeConfig before = config;
  ASSERT_GT(appliance::memory_max(config), config.memory_bytes_max);
  const auto fits = appliance::fit_into_memory(config);
  ASSERT_TRUE(fits) << fits.error().what;
  EXPECT_LE(appliance::memory_max(config), config.memory_bytes_max);
  EXPECT_GT(appliance::memory_max(config), config.memory_bytes_max - kMiB);
  const auto part = [](std::size_t now, std::size_t then) {
    return static_cast<double>(now) / static_cast<double>(then);
  };
  const double flows = part(config.flows.flows_max, before.flows.flows_max);
  EXPECT_LT(flows, 1);
  EXPECT_NEAR(part(config.flows.ledgers_max, before.flows.ledgers_max), flows, 1e-3);
  EXPECT_NEAR(part(config.flows.exchanges_max, before.flows.exchanges_max), flows, 1e-3);
  EXPECT_NEAR(part(config.records_max, before.records_max), flows, 1e-3);
}

TEST(MemoryCeiling, LeavesWhatFits) {
  ProbeConfig config = listening(1, 64);
  const std::size_t flows = config.flows.flows_max;
  ASSERT_TRUE(appliance::fit_into_memory(config));
  config.memory_bytes_max = appliance::memory_max(config);
  ASSERT_TRUE(appliance::fit_into_memory(config));
  EXPECT_EQ(config.flows.flows_max, flows);
}

TEST(MemoryCeiling, SaysWhatToDoWhenTheRingsAloneAreMore) {
  ProbeConfig config = listening(6, 64);
  config.memory_bytes_max = 256 * kMiB;
  const auto fits = appliance::fit_into_memory(config);
  ASSERT_FALSE(fits);
  EXPECT_NE(fits.error().what.find("ring_mib"), std::string::npos) << fits.error().what;
  const std::size_t at = fits.error().what.find("at least ");
  ASSERT_NE(at, std::string::npos);
  config.memory_bytes_max = std::stoull(fits.error().what.substr(at + 9)) * kMiB;
  EXPECT_TRUE(appliance::fit_into_memory(config)) << "what it says is enough";
}

/// A thread that always has more to do, for so long; each batch takes 1 ms of CPU. @return its CPU time
std::uint64_t work(CpuCeiling& ceiling, std::uint64_t& now_ns, std::uint64_t& cpu_ns, std::uint64_t for_ns) {
  const std::uint64_t end_ns = now_ns + for_ns, before_ns = cpu_ns;
  while (now_ns < end_ns) {
    now_ns += kMs;
    cpu_ns += kMs;
    now_ns += static_cast<std::uint64_t>(ceiling.account(now_ns, cpu_ns).count());
  }
  return cpu_ns - before_ns;
}

TEST(CpuCeiling, IsKept) {
  for (const double cores : {0.1, 0.5, 0.9}) {
    CpuCeiling ceiling(cores);
    std::uint64_t now_ns = kSecond, cpu_ns = 0;
    const auto used_ns = static_cast<double>(work(ceiling, now_ns, cpu_ns, 20 * kSecond));
    EXPECT_NEAR(used_ns / 20e9, cores, 0.01) << cores;
  }
}

TEST(CpuCeiling, LeavesOutMoreEachSecondAndLessWhenThereIsRoom) {
  CpuCeiling ceiling(0.5);
  std::uint64_t now_ns = kSecond, cpu_ns = 0;
  std::vector<Strain> seen;
  for (int second = 0; second < 5; ++second) {
    work(ceiling, now_ns, cpu_ns, kSecond + 50 * kMs);
    seen.push_back(ceiling.strain());
  }
  EXPECT_EQ(seen, (std::vector{Strain::kNoTexts, Strain::kNoNewMessages, Strain::kNoNewFlows, Strain::kNoNewFlows,
                               Strain::kNoNewFlows}));
  for (int second = 0; second < 29; ++second) {
    now_ns += kSecond;
    cpu_ns += 100 * kMs;
    EXPECT_EQ(ceiling.account(now_ns, cpu_ns).count(), 0);
  }
  EXPECT_EQ(ceiling.strain(), Strain::kNoTexts) << "a level in ten seconds";
  now_ns += 11 * kSecond;
  ceiling.account(now_ns, cpu_ns);
  EXPECT_EQ(ceiling.strain(), Strain::kNone);
}

}  // namespace
}  // namespace hoptap::test
