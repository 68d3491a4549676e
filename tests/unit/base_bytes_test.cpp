#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace hoptap::base {
namespace {

constexpr std::array<std::uint8_t, 9> kNine{1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(BaseBytes, LoadsBothOrders) {
  EXPECT_EQ(load_be(Bytes(kNine).first(4)), 0x01020304u);
  EXPECT_EQ(load_le(Bytes(kNine).first(4)), 0x04030201u);
  EXPECT_EQ(load_be({}), 0u);
}

TEST(BaseBytes, CursorReadsAHeader) {
  ByteCursor in(kNine);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607u);
  EXPECT_EQ(in.rest().size(), 2u);
  EXPECT_TRUE(in.ok());
}

TEST(BaseBytes, CursorPastTheEndGivesZeroForGood) {
  ByteCursor in(kNine);
  EXPECT_EQ(in.u64(), 0x0102030405060708u);
  EXPECT_EQ(in.u32(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.missing(), 3u);
  EXPECT_EQ(in.u8(), 0) << "one byte is left, but the place is lost";
  EXPECT_EQ(in.missing(), 4u);
}

}  // namespace
}  // namespace hoptap::base
