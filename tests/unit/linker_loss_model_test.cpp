#include "linker/loss_model.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hoptap::test {
namespace {

using linker::LossModel;
using linker::ResentCopy;
using linker::WayPlaces;

WayPlaces way_of(double completeness, std::size_t places = 5) { return {7, std::vector<double>(places, completeness)}; }

std::size_t likeliest(const std::vector<double>& reached) {
  return static_cast<std::size_t>(std::max_element(reached.begin(), reached.end()) - reached.begin());
}

TEST(LossModel, WithPerfectCapturesTheFarthestPlaceThatSawItIsTheLast) {
  const LossModel model;
  for (std::size_t last = 0; last < 5; ++last) {
    const ResentCopy copy{(linker::Places{2} << last) - 1, 0, 0};
    const auto reached = model.reached(way_of(0.9995), copy);
    EXPECT_EQ(likeliest(reached), last);
    EXPECT_GT(reached[last], 0.99);
  }
}

TEST(LossModel, AHoleInTheMiddleIsTheCapturesDoing) {
  const LossModel model;
  EXPECT_EQ(likeliest(model.reached(way_of(0.95), {0b10101, 0, 0})), 4u);
}

TEST(LossModel, NoPlaceBeforeTheFarthestSightingIsBlamed) {
  const LossModel model;
  const auto reached = model.reached(way_of(0.5), {0b00100, 0, 0});
  EXPECT_EQ(reached[0], 0);
  EXPECT_EQ(reached[1], 0);
  EXPECT_GT(reached[3], 0.1) << "a poor capture may have missed it";
}

TEST(LossModel, AnAmbiguousLossGoesWhereTheOthersAre) {
  LossModel model;
  const WayPlaces way = way_of(0.95);
  const ResentCopy clear{0b00111, 0, 0}, missed{0b00011, 0b11100, 0};
  EXPECT_EQ(likeliest(model.reached(way, missed)), 1u) << "alone, the capture is believed";
  for (int i = 0; i < 50; ++i) model.learn(way, clear);
  for (int i = 0; i < 3; ++i) model.learn(way, missed);
  model.solve();
  EXPECT_EQ(likeliest(model.reached(way, missed)), 2u);
  EXPECT_GT(model.reached(way, missed)[2], 0.8);
}

TEST(LossModel, OneLossDoesNotConfirmItself) {
  LossModel model;
  const WayPlaces way = way_of(0.8);
  const ResentCopy copy{0b00011, 0, 0};
  const auto before = model.reached(way, copy);
  model.learn(way, copy);
  model.solve();
  const auto after = model.reached(way, copy);
  for (std::size_t last = 0; last < 5; ++last) EXPECT_NEAR(after[last], before[last], 0.05);
}

TEST(LossModel, APlaceThatCannotTellWeighsNothing) {
  const LossModel model;
  const auto without = model.reached(way_of(0.8), {0b00001, 0, 0});
  const auto unknown = model.reached(way_of(0.8), {0b00001, 0, 0b11110});
  EXPECT_GT(without[0], unknown[0]);
  EXPECT_NEAR(unknown[0], 0.2, 1e-9);
}

}  // namespace
}  // namespace hoptap::test
