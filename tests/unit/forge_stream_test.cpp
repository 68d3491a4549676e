#include "appliance/forge/stream.h"

#include <gtest/gtest.h>

#include "appliance/forge/exchange.h"
#include "appliance/forge/http.h"

namespace hoptap::forge {
namespace {

std::string copied(const Stream& stream, std::uint64_t from, std::size_t count) {
  std::string text(count, '?');
  stream.copy(from, count, reinterpret_cast<std::uint8_t*>(text.data()));
  return text;
}

TEST(ForgeStream, BytesAreTheSameHoweverTheyAreCut) {
  Exchange one;
  Exchange two;
  Stream stream;
  stream.append("head one|", 300, one, true);
  stream.append("head two|", 9000, two, true);
  const std::string whole = copied(stream, 0, 9300);
  EXPECT_TRUE(whole.starts_with("head one|"));
  EXPECT_EQ(whole.substr(300, 9), "head two|");
  for (const std::size_t step : {1U, 7U, 64U, 299U, 1448U, 5000U}) {
    std::string pieces;
    for (std::size_t at = 0; at < whole.size(); at += step)
      pieces += copied(stream, at, std::min(step, whole.size() - at));
    EXPECT_EQ(pieces, whole) << step;
  }
  EXPECT_EQ(stream.find(299)->exchange, &one);
  EXPECT_EQ(stream.find(300)->exchange, &two);
  stream.forget(one);
  EXPECT_EQ(stream.find(299), nullptr);
  EXPECT_EQ(copied(stream, 300, 9000), whole.substr(300));
}

TEST(ForgeCoverage, KnowsWhenAllHasPassed) {
  Coverage coverage;
  coverage.add(200, 300);
  EXPECT_TRUE(coverage.any());
  EXPECT_FALSE(coverage.holds_first());
  coverage.add(0, 100);
  EXPECT_TRUE(coverage.holds_first());
  EXPECT_FALSE(coverage.whole(300));
  coverage.add(150, 250);
  coverage.add(50, 150);
  EXPECT_TRUE(coverage.whole(300));
}

TEST(ForgeHttp, MessagesHaveTheBytesTheyShould) {
  for (const std::uint64_t bytes : {200U, 1200U, 1201U, 9999U, 10000U, 10200U, 100163U, 5000000U}) {
    const MessageText request =
        make_request({.id = "t-000001", .header_lines = "", .bytes = bytes, .response_bytes = 7});
    EXPECT_NEAR(static_cast<double>(request.bytes), static_cast<double>(bytes), 1) << request.head;
    EXPECT_EQ(request.head.starts_with("GET"), bytes <= 1200);
    const MessageText response = make_response(200, "t-000001", bytes);
    EXPECT_NEAR(static_cast<double>(response.bytes), static_cast<double>(bytes), 1) << response.head;
  }
  EXPECT_GT(make_request({.id = "t-000001", .header_lines = "", .bytes = 1}).bytes, 50U);
  EXPECT_EQ(make_response(502, "t", 0).head.substr(0, 24), "HTTP/1.1 502 Bad Gateway");
}

}  // namespace
}  // namespace hoptap::forge
