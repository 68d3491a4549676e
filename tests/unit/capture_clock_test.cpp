#include "capture/clock.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

namespace hoptap::capture {
namespace {

constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kLatest = InterfaceClock::kNsMax;

struct Case {
  std::string name;
  std::uint8_t resolution;
  std::int64_t offset_seconds;
  std::uint64_t units;
  std::uint64_t expected_ns;
};

class InterfaceClockTest : public testing::TestWithParam<Case> {};

TEST_P(InterfaceClockTest, GivesNanoseconds) {
  const Case& test = GetParam();
  EXPECT_EQ(InterfaceClock(test.resolution, test.offset_seconds).to_ns(test.units), test.expected_ns);
}

TEST(InterfaceClock, HasAUnit) {
  for (const auto& [resolution, unit_ns] : {std::pair{6, 1000u},
                                            {9, 1u},
                                            {12, 1u},
                                            {3, 1'000'000u},
                                            {0, 1'000'000'000u},
                                            {0x80, 1'000'000'000u},
                                            {0x8a, 976'562u},
                                            {0xa0, 1u},
                                            {0x7f, 1u},
                                            {0xff, 1u}})
    EXPECT_EQ(InterfaceClock(static_cast<std::uint8_t>(resolution)).unit_ns(), unit_ns) << resolution;
}

INSTANTIATE_TEST_SUITE_P(
    Units, InterfaceClockTest,
    testing::Values(Case{"Seconds", 0, 0, 1'700'000'000, 1'700'000'000'000'000'000},
                    Case{"Milliseconds", 3, 0, 1'700'000'000'123, 1'700'000'000'123'000'000},
                    Case{"Microseconds", 6, 0, 1'700'000'000'123'456, 1'700'000'000'123'456'000},
                    Case{"Nanoseconds", 9, 0, 1'700'000'000'123'456'789, 1'700'000'000'123'456'789},
                    Case{"Picoseconds", 12, 0, 1'700'000'000'123'456'789, 1'700'000'000'123'456},
                    Case{"FinestDecimal", 19, 0, kMax64, 1'844'674'407}, Case{"TooFineToBeSeen", 38, 0, kMax64, 0},  //
                    Case{"HostileDecimal", 0x7f, 0, kMax64, 0},
                    Case{"WholeSecondsByTwo", 0x80, 0, 1'700'000'000, 1'700'000'000'000'000'000},
                    Case{"HalvesByTwo", 0x81, 0, 3, 1'500'000'000},
                    Case{"Ntp32", 0xa0, 0, (std::uint64_t{5} << 32) | 0x80000000, 5'500'000'000},
                    Case{"AllFractionByTwo", 0xc0, 0, std::uint64_t{1} << 63, 500'000'000},
                    Case{"HostileByTwo", 0xff, 0, kMax64, 0}));

INSTANTIATE_TEST_SUITE_P(
    Edges, InterfaceClockTest,
    testing::Values(Case{"OffsetForward", 6, 1'600'000'000, 1'500'000, 1'600'000'001'500'000'000},
                    Case{"OffsetBack", 6, -1, 2'500'000, 1'500'000'000},  //
                    Case{"NothingButOffset", 6, 100, 0, 100'000'000'000},
                    Case{"NothingButOffsetByTwo", 0x81, 100, 0, 100'000'000'000},
                    Case{"NothingButOffsetInPicoseconds", 12, 100, 0, 100'000'000'000},
                    Case{"NothingButALongOffset", 6, std::int64_t{1} << 32, 0,
                         (std::uint64_t{1} << 32) * 1'000'000'000},
                    Case{"BeforeTheEpoch", 6, -3, 2'500'000, 0}, Case{"TooLateInSeconds", 0, 0, kMax64, kLatest},  //
                    Case{"TooLateInMicroseconds", 6, 0, kMax64, kLatest},
                    Case{"LastInMicroseconds", 6, 0, kLatest / 1000, kLatest / 1000 * 1000},
                    Case{"LatestNanosecond", 9, 0, kMax64, kLatest},
                    Case{"OffsetPushesOverTheEnd", 9, 1, kMax64, kLatest},
                    Case{"HostileOffset", 6, std::numeric_limits<std::int64_t>::max(), kMax64, kLatest},
                    Case{"HostileOffsetBack", 6, std::numeric_limits<std::int64_t>::min(), kMax64, 0},
                    Case{"HostileOffsetByTwo", 0xa0, std::numeric_limits<std::int64_t>::min(), 1, 0}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace hoptap::capture
