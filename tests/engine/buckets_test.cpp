#include "appliance/tracer/buckets.h"

#include <gtest/gtest.h>

#include "stream.h"

namespace hoptap::test {
namespace {

using appliance::Buckets;

TEST(Buckets, BeginFromFinalTracesAndForgetOpenOnes) {
  Scenario scenario;
  scenario.requests = 10;
  const Analysis analysis = analyse(scenario);
  int recalls = 0;
  Buckets buckets(3'600'000'000'000, [&](std::uint64_t, std::uint64_t, const auto&) {
    ++recalls;
    return base::Outcome<void>();
  });
  const auto requests = [&] { return buckets.windows().front().verdict.requests; };
  const std::size_t half = analysis.traces.size() / 2;
  buckets.begin();
  for (std::size_t at = 0; at < analysis.traces.size(); ++at)
    buckets.add(analysis.traces[at], analysis.judgements[at], at < half);
  EXPECT_EQ(requests(), analysis.traces.size());
  buckets.commit();

  buckets.begin();
  buckets.add(analysis.traces.back(), analysis.judgements.back(), false);
  EXPECT_EQ(requests(), half + 1);

  buckets.begin();  // a round that is not committed leaves nothing behind
  buckets.add(analysis.traces.back(), analysis.judgements.back(), true);
  buckets.begin();
  buckets.add(analysis.traces.back(), analysis.judgements.back(), false);
  EXPECT_EQ(requests(), half + 1);
  EXPECT_EQ(recalls, 1);
}

}  // namespace
}  // namespace hoptap::test
