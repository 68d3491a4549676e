#include "appliance/http/query.h"

#include <gtest/gtest.h>

namespace hoptap::appliance {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;

TEST(ReadTarget, TakesItApart) {
  const Target target = read_target("/api/v1/traces?point=tor%2D1&path=a%2cb&x=1+2&y");
  EXPECT_TRUE(target.good);
  EXPECT_EQ(target.path, "/api/v1/traces");
  ASSERT_EQ(target.parameters.size(), 4u);
  EXPECT_EQ(target.parameters[0], (std::pair<std::string, std::string>("point", "tor-1")));
  EXPECT_EQ(target.parameters[1].second, "a,b");
  EXPECT_EQ(target.parameters[2].second, "1 2");
  EXPECT_EQ(target.parameters[3].second, "");
}

TEST(ReadTarget, KnowsBrokenOnes) {
  for (const char* broken : {"", "api", "/a?x=%", "/a?x=%4", "/a?x=%zz", "/%", "/a b", "/a\x01", "http://host/", "*"}) {
    EXPECT_FALSE(read_target(broken).good) << broken;
  }
}

TEST(PercentEncoded, ComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const Target target = read_target("/?v=" + percent_encoded(all));
  ASSERT_TRUE(target.good);
  EXPECT_EQ(target.parameters.at(0).second, all);
}

TEST(ReadDuration, KnowsUnits) {
  EXPECT_EQ(read_duration("250ms"), 250'000'000);
  EXPECT_EQ(read_duration("1.5s"), 1'500'000'000);
  EXPECT_EQ(read_duration("2h"), 7200 * static_cast<std::int64_t>(kSecond));
  EXPECT_EQ(read_duration("0s"), 0);
  EXPECT_EQ(read_duration("7ns"), 7);
  for (const char* wrong : {"", "5", "ms", "-5s", "1e3s", "5 s", "5x", "1000000000d", "nans", "infs", "5ms "}) {
    EXPECT_FALSE(read_duration(wrong)) << wrong;
  }
}

TEST(ReadTime, KnowsThreeForms) {
  EXPECT_EQ(read_time("now", kNow), kNow);
  EXPECT_EQ(read_time("-15m", kNow), kNow - 900 * kSecond);
  EXPECT_EQ(read_time("-100000d", kNow), 0u) << "before all time is its beginning";
  EXPECT_EQ(read_time("1700000000000000001", kNow), kNow + 1);
  EXPECT_EQ(read_time("2023-11-14T22:13:20Z", kNow), kNow);
  EXPECT_EQ(read_time("2023-11-14t23:13:20.000000001+01:00", kNow), kNow + 1);
  EXPECT_EQ(read_time("2023-11-14T23:13:20 01:00", kNow), kNow) << "a plus that became a space";
  EXPECT_EQ(read_time("2023-11-14T21:13:20.5-01:00", kNow), kNow + kSecond / 2);
  EXPECT_EQ(read_time("2024-02-29T00:00:00Z", kNow), 1'709'164'800 * kSecond);
  for (const char* wrong :
       {"", "-", "-5", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "2023-02-30T00:00:00Z", "2023-13-01T00:00:00Z",
        "2023-11-14T24:13:20Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+23:00", "9999-01-01T00:00:00Z",
        "2023-11-14T22:13:20.Zx", "-023-11-14T22:13:20Z", "99999999999999999999999"}) {
    EXPECT_FALSE(read_time(wrong, kNow)) << wrong;
  }
}

TEST(ReadHex, WantsOneToSixteenDigits) {
  EXPECT_EQ(read_hex("ffffffffffffffff"), ~std::uint64_t{0});
  for (const char* wrong : {"", "0x1", "-1", "g", "00000000000000001"}) EXPECT_FALSE(read_hex(wrong)) << wrong;
}

TEST(Query, KeepsTheFirstComplaint) {
  const Target target = read_target("/?limit=0&from=never&odd=1");
  Query query(target, kNow);
  EXPECT_FALSE(query.number("limit", 1, 10));
  EXPECT_FALSE(query.time("from"));
  ASSERT_TRUE(query.complaint());
  EXPECT_EQ(query.complaint()->parameter, "limit");
  EXPECT_EQ(query.complaint()->message, "write a number from 1 to 10");
}

}  // namespace
}  // namespace hoptap::appliance
