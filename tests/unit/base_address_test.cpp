#include "base/address.h"

#include <gtest/gtest.h>

namespace hoptap::base {
namespace {

TEST(BaseAddress, WritesAddressesAsPeopleDo) {
  constexpr std::array<std::uint8_t, 4> kV4{10, 0, 0, 1};
  std::array<std::uint8_t, 16> v6{0x20, 0x01, 0x0d, 0xb8};
  v6[15] = 1;
  EXPECT_EQ(IpAddress::from(kV4).text(), "10.0.0.1");
  EXPECT_TRUE(IpAddress::from(kV4).is_v4());
  EXPECT_EQ(IpAddress::from(v6).text(), "2001:db8::1");
  EXPECT_FALSE(IpAddress::from(v6).is_v4());
  EXPECT_EQ((Endpoint{IpAddress::from(kV4), 80}.text()), "10.0.0.1:80");
  EXPECT_EQ((Endpoint{IpAddress::from(v6), 80}.text()), "[2001:db8::1]:80");
}

TEST(BaseAddress, OddLengthsGiveTheZeroAddress) {
  constexpr std::array<std::uint8_t, 5> kFive{1, 2, 3, 4, 5};
  EXPECT_EQ(IpAddress::from(kFive), IpAddress{});
  EXPECT_EQ(MacAddress::from(kFive), MacAddress{});
}

TEST(BaseAddress, WritesMacs) {
  constexpr std::array<std::uint8_t, 6> kMac{0x02, 0, 0, 0x0a, 0xbc, 0xff};
  EXPECT_EQ(MacAddress::from(kMac).text(), "02:00:00:0a:bc:ff");
}

}  // namespace
}  // namespace hoptap::base
