#include "appliance/stamps.h"

#include <gtest/gtest.h>

namespace hoptap::appliance {
namespace {

using exporting::PointStamp;
using Stamps = std::vector<PointStamp>;

TEST(Stamps, TextAndLine) {
  const Stamps two{{.by = "erspan", .unit_ns = 100, .packets = 880}, {.by = "kernel", .unit_ns = 1, .packets = 120}};
  EXPECT_EQ(exporting::stamps_text({}), "-");
  EXPECT_EQ(exporting::stamps_text(std::span(two).first(1)), "erspan 100 ns");
  EXPECT_EQ(exporting::stamps_text(two), "erspan 100 ns 88 %, kernel 1 ns 12 %");
  EXPECT_EQ(exporting::stamps_text(Stamps{{.by = "nic"}, {.by = "kernel", .unit_ns = 1}}), "nic, kernel 1 ns");
  EXPECT_EQ(exporting::stamps_text(Stamps{{.by = "file", .unit_ns = 1000}}), "file 1 us");
  EXPECT_EQ(exporting::stamps_text(Stamps{{.by = "file", .unit_ns = 1'000'000}}), "file 1 ms");
  EXPECT_EQ(exporting::stamps_line(two), "erspan 100 880,kernel 1 120");
  EXPECT_EQ(exporting::read_stamps("erspan 100 880,kernel 1 120"), two);
  EXPECT_TRUE(exporting::read_stamps("").empty());
  for (const char* odd : {",", " ", "a", "a 1", "a 1 ", "a x 1", "a 1 2 3", "a 4294967296 1", "a 1 -1", "a  1 1"})
    EXPECT_TRUE(exporting::read_stamps(odd).empty()) << odd;
  EXPECT_EQ(exporting::read_stamps("a 1,kernel 1 120,").size(), 1u);
  const Stamps hostile{{.by = "a b,c", .unit_ns = 1, .packets = 2}};  // of another probe
  EXPECT_EQ(exporting::read_stamps(exporting::stamps_line(hostile)),
            (Stamps{{.by = "a_b_c", .unit_ns = 1, .packets = 2}}));
}

TEST(Stamps, OfACapture) {
  EXPECT_EQ(capture_stamps(std::nullopt, "ring"), (Stamps{{.by = "libpcap"}}));
  EXPECT_TRUE(capture_stamps(capture::StampCounts{}, "ring").empty());
  EXPECT_EQ(capture_stamps(capture::StampCounts{.nic = 3, .kernel = 4, .ring = 5, .poll = 6}, "ebpf"),
            (Stamps{{.by = "nic", .packets = 3},
                    {.by = "kernel", .unit_ns = 1, .packets = 4},
                    {.by = "ebpf", .unit_ns = 1, .packets = 5},
                    {.by = "poll", .packets = 6}}));
}

TEST(Stamps, OfAPoint) {
  const Stamps kernel{{.by = "kernel", .unit_ns = 1, .packets = 100}};
  const Stamps both{{.by = "nic", .packets = 60}, {.by = "kernel", .unit_ns = 1, .packets = 40}};
  const StampedPoint interface { .number = 0, .is_interface = true, .packets = 100 };
  EXPECT_EQ(stamps_of_point(interface, kernel), kernel);
  EXPECT_EQ(stamps_of_point(interface, both), both);
  const StampedPoint mirror{.number = 0xff00, .packets = 30};
  EXPECT_EQ(stamps_of_point(mirror, kernel), (Stamps{{.by = "kernel", .unit_ns = 1, .packets = 30}}));
  EXPECT_EQ(stamps_of_point(mirror, both), (Stamps{{.by = "nic"}, {.by = "kernel", .unit_ns = 1}}));
  EXPECT_TRUE(stamps_of_point({.number = 0xff00, .packets = 0}, kernel).empty());
}

TEST(Stamps, OfAPointThatASwitchStamps) {
  const Stamps kernel{{.by = "kernel", .unit_ns = 1, .packets = 100}};
  const std::vector<decode::PointStamps> switches{{.point = 0, .kept = 20},
                                                  {.point = 0xff00, .taken = 50, .kept = 3, .unit_ns = 100},
                                                  {.point = 0xff01, .taken = 27, .unit_ns = 1}};
  StampedPoint point{.source = decode::StampSource::kErspan, .switches = switches, .number = 0xff00, .packets = 53};
  EXPECT_EQ(stamps_of_point(point, kernel),
            (Stamps{{.by = "erspan", .unit_ns = 100, .packets = 50}, {.by = "kernel", .unit_ns = 1, .packets = 3}}));
  EXPECT_EQ(stamps_of_point(point, {{.by = "nic", .packets = 60}, {.by = "kernel", .unit_ns = 1, .packets = 40}}),
            (Stamps{{.by = "erspan", .unit_ns = 100, .packets = 50}, {.by = "nic"}, {.by = "kernel", .unit_ns = 1}}));
  point.number = 0xff01;
  EXPECT_EQ(stamps_of_point(point, kernel), (Stamps{{.by = "erspan", .unit_ns = 1, .packets = 27}}));
  point.number = 0;
  point.is_interface = true;
  EXPECT_EQ(stamps_of_point(point, kernel), (Stamps{{.by = "kernel", .unit_ns = 1, .packets = 20}}));
  point.number = 1;
  EXPECT_TRUE(stamps_of_point(point, kernel).empty());
}

TEST(Stamps, OfWorkersAddUp) {
  std::vector<decode::PointStamps> sum{{.point = 0, .taken = 1, .kept = 2, .unit_ns = 1}};
  merge_stamps(sum, std::vector<decode::PointStamps>{{.point = 0, .taken = 10, .kept = 20, .unit_ns = 100},
                                                     {.point = 5, .kept = 1}});
  ASSERT_EQ(sum.size(), 2u);
  EXPECT_EQ(sum[0].taken, 11u);
  EXPECT_EQ(sum[0].kept, 22u);
  EXPECT_EQ(sum[0].unit_ns, 100u);
  EXPECT_EQ(sum[1].point, 5);
}

}  // namespace
}  // namespace hoptap::appliance
