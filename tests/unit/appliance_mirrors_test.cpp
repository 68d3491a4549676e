#include "appliance/mirrors.h"

#include <gtest/gtest.h>

namespace hoptap::appliance {
namespace {

decode::MirrorSession session(std::uint64_t first_ns, std::uint64_t last_ns, std::uint64_t lost) {
  decode::MirrorSession one{.type = 2, .id = 7, .packets = 100, .shares = {{.point = 5, .packets = 100}}};
  one.numbers = {.packets = 100, .lost = lost, .moves = true, .first_ns = first_ns, .last_ns = last_ns};
  return one;
}

TEST(Mirrors, NamesAreReadAsTheyAreWritten) {
  const auto name = read_mirror_name("a/b.pcap/erspan-7");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->feed, "a/b.pcap");
  EXPECT_EQ(mirror_text(name->rule.kind, name->rule.id), "erspan-7");
  EXPECT_EQ(read_mirror_name("x/gre-4294967295")->rule.id, 4294967295u);
  for (const char* wrong : {"erspan-7", "x/erspan", "x/erspan-", "x/erspan-7a", "x/span-7", "x-7/erspan", "x/vxlan--1"})
    EXPECT_FALSE(read_mirror_name(wrong).has_value()) << wrong;
}

TEST(Mirrors, ASessionThatWentToAnotherWorkerAddsUp) {
  std::vector<decode::MirrorSession> sum{session(1000, 2000, 3)};
  merge_sessions(sum, {session(2000, 9000, 4)});
  ASSERT_EQ(sum.size(), 1u);
  EXPECT_EQ(sum[0].lost(), 7u);
  EXPECT_EQ(sums_of_mirror(sum, 5).packets, 200u);
  EXPECT_EQ(sums_of_mirror(sum, 5).lost, 7u);
}

TEST(Mirrors, ASessionOfTwoWorkersAtATimeKnowsNothingOfLoss) {
  std::vector<decode::MirrorSession> sum{session(1000, 2000, 3)};
  merge_sessions(sum, {session(1500, 9000, 4)});
  EXPECT_EQ(sum[0].lost(), std::nullopt);
  EXPECT_EQ(sums_of_mirror(sum, 5).lost, std::nullopt);
  EXPECT_NE(account_text(sum[0]).find("not known"), std::string::npos);
}

TEST(Mirrors, OfAPointWithSeveralSessionsAllMustBeKnown) {
  std::vector<decode::MirrorSession> all{session(1, 2, 3), session(1, 2, 4)};
  all[1].id = 8;
  EXPECT_EQ(sums_of_mirror(all, 5).lost, 7u);
  all[1].numbers.moves = false;
  EXPECT_EQ(sums_of_mirror(all, 5).lost, std::nullopt);
  all[1] = session(1, 2, 4);
  all[1].shares.push_back({.point = 6, .packets = 1});  // of which point a lost packet was, nobody knows
  EXPECT_EQ(sums_of_mirror(all, 5).lost, std::nullopt);
  EXPECT_EQ(sums_of_mirror(all, 9).packets, 0u);
}

TEST(Mirrors, PointsAreNamedAndHaveARole) {
  const auto from = [](const char* text) { return *base::IpAddress::from_text(text); };
  const std::vector<decode::MirrorPoint> found{{.number = 0, .id = 7, .from = from("10.0.0.1")},
                                               {.number = 1, .id = 7, .from = from("10.0.0.2")},
                                               {.number = 2, .rule = 0, .id = 8}};
  const std::vector<MirrorHint> hints{{.rule = {.id = 8}, .point = {.name = "leaf-3", .role = "", .order = 4}}};
  const PointHint feed{.name = "eth1", .role = "", .order = {}}, tor{.name = "eth1", .role = "switch", .order = 9};
  EXPECT_EQ(point_of_mirror(hints, feed, found, 0).name, "eth1/erspan-7");
  EXPECT_EQ(point_of_mirror(hints, feed, found, 1).name, "eth1/erspan-7-10.0.0.2");
  EXPECT_EQ(point_of_mirror(hints, feed, found, 0).role, "unknown");
  EXPECT_EQ(point_of_mirror(hints, tor, found, 0).role, "switch");
  EXPECT_FALSE(point_of_mirror(hints, tor, found, 0).order.has_value());
  EXPECT_EQ(point_of_mirror(hints, feed, found, 2).name, "leaf-3");
  EXPECT_EQ(point_of_mirror(hints, feed, found, 2).role, "switch");
  EXPECT_EQ(point_of_mirror(hints, feed, found, 2).order, 4u);
}

TEST(Mirrors, AnEntryThatFitsNothingIsTold) {
  const auto from = base::IpAddress::from_text("198.18.0.1");
  decode::MirrorSession seven = session(1, 2, 0);
  seven.from = *from;
  const std::vector<MirrorHint> hints{
      {.rule = {.id = 7}, .point = {}},
      {.rule = {.id = 8}, .point = {.name = "leaf", .role = "", .order = {}}},
      {.rule = {.id = 7, .from = from, .port = 3, .egress = true}, .point = {}},
      {.rule = {.id = 7, .from = base::IpAddress::from_text("198.18.0.2")}, .point = {}}};
  const std::vector<decode::MirrorSession> came{seven};
  EXPECT_EQ(unmatched_mirrors(hints, {true, false, true, true}, came),
            std::vector<std::string>{"no packet was of the mirror 'erspan 8' (leaf): what came is ERSPAN II session 7 "
                                     "from 198.18.0.1"});
  const std::vector<std::string> all = unmatched_mirrors(hints, {true}, came);  // of further ones nothing is known
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1],
            "no packet was of the mirror 'erspan 7 from 198.18.0.1 port 3 direction out': ERSPAN II session 7 from "
            "198.18.0.1 came, but an earlier entry fits, or the port or direction is another");
  EXPECT_EQ(all[2],
            "no packet was of the mirror 'erspan 7 from 198.18.0.2': what came is ERSPAN II session 7 from 198.18.0.1");
  EXPECT_EQ(unmatched_mirrors(hints, {true, false, true, true}, {}),
            std::vector<std::string>{"no packet was of the mirror 'erspan 8' (leaf): no mirrored packet came"});
  EXPECT_TRUE(unmatched_mirrors(hints, std::vector<bool>(4, true), {}).empty());
}

TEST(Mirrors, AllPointsFitABatch) {
  for (const std::size_t feeds : {1u, 15u, 16u, 100u, 1023u, 1024u, 3000u})
    EXPECT_LE(std::min<std::size_t>(feeds, 1024) + feeds * mirror_points_max(feeds), 1024u) << feeds;
  EXPECT_EQ(mirror_points_max(1), 64u);
}

}  // namespace
}  // namespace hoptap::appliance
