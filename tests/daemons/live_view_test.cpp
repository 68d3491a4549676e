// The account of live capture: it adds up, or says what is missing, and what is not known is not said to be 0.
#include "appliance/probe/live_view.h"

#include <gtest/gtest.h>

namespace hoptap::test {
namespace {

using appliance::account_text;
using appliance::LiveStatus;

LiveStatus status_of_ring(std::uint64_t received) {
  LiveStatus status;
  status.capture.packets = 90;
  status.capture.filtered = 4;
  status.capture.unreadable = 1;
  status.capture.dropped_by_ring = 5;
  status.capture.ring_freezes = 1;
  status.capture.received_by_kernel = received;
  return status;
}

TEST(LiveView, AnAccountThatAddsUp) {
  EXPECT_EQ(account_text("tor", status_of_ring(100)),
            "tor: 90 packets processed, 4 filtered, 1 unreadable, 5 dropped for want of room in the ring; the kernel "
            "counted 100");
}

TEST(LiveView, WhatIsMissingIsSaid) {
  EXPECT_NE(account_text("tor", status_of_ring(107)).find("the kernel counted 107: 7 UNACCOUNTED"), std::string::npos);
}

TEST(LiveView, LibpcapLeavesOutWhatItCounts) {
  LiveStatus status = status_of_ring(107);
  status.capture.ring_freezes.reset();
  EXPECT_EQ(account_text("lo", status).find("UNACCOUNTED"), std::string::npos);
}

TEST(LiveView, UnknownIsNotZero) {
  LiveStatus status = status_of_ring(100);
  status.capture.dropped_by_ring.reset();
  const std::string text = account_text("tor", status);
  EXPECT_NE(text.find("what the kernel dropped is not known"), std::string::npos);
  EXPECT_EQ(text.find(" 0 dropped"), std::string::npos);
}

TEST(LiveView, NamesTheDriverOfAPortOfDpdk) {
  LiveStatus status = status_of_ring(100);
  status.capture.ring_freezes.reset();
  appliance::LiveInput port;
  port.way = appliance::CaptureWay::kDpdk;
  EXPECT_TRUE(account_text("tor", status, giver_of(port)).ends_with("; the driver counted 100"));
  status.capture.dropped_by_ring.reset();
  EXPECT_TRUE(account_text("tor", status, giver_of(port)).ends_with("; what the driver dropped is not known"));
}

/// What it advises must be taken by the configuration.
TEST(LiveView, AdvisesWhatGoesWithTheWayOfCapture) {
  using appliance::CaptureWay;
  const auto remedy = [](CaptureWay way) {
    appliance::LiveInput input;
    input.way = way;
    return std::string(remedy_of(input));
  };
  for (const CaptureWay way : {CaptureWay::kRing, CaptureWay::kLibpcap, CaptureWay::kEbpf})
    EXPECT_NE(remedy(way).find("ring_mib"), std::string::npos);
  EXPECT_NE(remedy(CaptureWay::kRing).find("more workers"), std::string::npos);
  EXPECT_NE(remedy(CaptureWay::kLibpcap).find("capture: ring with more workers"), std::string::npos);
  EXPECT_EQ(remedy(CaptureWay::kEbpf).find("workers"), std::string::npos);
  EXPECT_EQ(remedy(CaptureWay::kDpdk), "more workers");
}

TEST(LiveView, SumsKnowWhatAllOfThemKnow) {
  capture::LiveCounters ring = status_of_ring(100).capture, other;
  other.packets = 7;
  const capture::LiveCounters both = appliance::sum_of(ring, ring), mixed = appliance::sum_of(ring, other);
  EXPECT_EQ(both.received_by_kernel, 200u);
  EXPECT_EQ(mixed.packets, 97u);
  EXPECT_FALSE(mixed.received_by_kernel.has_value());
}

TEST(LiveView, RecordsDroppedAndLegsLeftOutAreInTheAccount) {
  LiveStatus status = status_of_ring(100);
  status.records_dropped = 3;
  status.legs_left_out = 8;
  const std::string text = account_text("tor", status);
  EXPECT_NE(text.find("3 records dropped for want of room"), std::string::npos);
  EXPECT_NE(text.find("8 connections of one packet not sent"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::test
