#include "export/wire/codings.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hoptap::test {
namespace {

namespace coding = exporting::coding;

const std::vector<std::uint64_t> kNumbers = {0,
                                             1,
                                             2,
                                             3,
                                             1000,
                                             (1ull << 63) - 1,
                                             1ull << 63,
                                             (1ull << 63) + 1,
                                             UINT64_MAX - 1,
                                             UINT64_MAX,
                                             1'795'317'871'991'326'722};

TEST(WireCodings, TimesComeBackWhateverWasExpected) {
  for (const std::uint64_t expected : kNumbers) {
    for (const std::uint64_t other : kNumbers) {
      std::set<std::uint64_t> codes;
      for (const std::uint64_t value : kNumbers) {
        const std::uint64_t code = coding::time(value, expected, other);
        EXPECT_EQ(coding::from_time(code, expected, other), value) << expected << " " << other;
        codes.insert(code);
      }
      EXPECT_EQ(codes.size(), kNumbers.size());
    }
  }
}

TEST(WireCodings, TimesNearWhatWasExpectedAreSmall) {
  constexpr std::uint64_t kNow = 1'795'317'871'991'326'722;
  EXPECT_EQ(coding::time(0, kNow), 0u);
  EXPECT_EQ(coding::time(kNow, kNow), 1u);
  EXPECT_EQ(coding::time(kNow - 1, kNow), 2u);
  EXPECT_EQ(coding::time(kNow + 1, kNow), 3u);
  EXPECT_EQ(coding::time(kNow + 1000, kNow, kNow + 1000), 1u);
  EXPECT_EQ(coding::time(kNow, kNow, kNow + 1000), 2u);
}

TEST(WireCodings, DifferencesWrapWithTheirWidth) {
  EXPECT_EQ(coding::difference<std::uint32_t>(5, 0xffffffff), 12u);
  EXPECT_EQ(coding::from_difference<std::uint32_t>(12, 0xffffffff), 5u);
  EXPECT_EQ(coding::difference<std::uint16_t>(0, 1), 1u);
  EXPECT_EQ(coding::from_difference<std::uint16_t>(1, 0), 0xffffu);
  for (const std::uint64_t expected : kNumbers)
    for (const std::uint64_t value : kNumbers)
      EXPECT_EQ(coding::from_difference(coding::difference(value, expected), expected), value);
}

TEST(WireCodings, ReferencesComeBack) {
  for (std::uint64_t used = 1; used < 6; ++used)
    for (std::uint64_t before = 0; before < used; ++before)
      for (std::uint64_t index = 0; index <= used; ++index)
        EXPECT_EQ(coding::from_reference(coding::reference(index, before, used), before, used), index);
}

}  // namespace
}  // namespace hoptap::test
