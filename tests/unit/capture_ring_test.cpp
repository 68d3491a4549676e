#include <gtest/gtest.h>

#include <array>
#include <random>

#include "capture/live/ring_walk.h"
#include "capture/source.h"
#include "tests/unit/kernel_ring.h"

namespace hoptap::capture {
namespace {

using test::KernelRing;
using test::RingPacket;
using Buffer = std::vector<std::uint8_t>;

/// An Ethernet frame whose payload is `number`.
Buffer frame(std::uint32_t number, std::size_t bytes = 60) {
  Buffer frame{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x00};
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<std::uint8_t>(number >> shift));
  frame.resize(std::max(bytes, frame.size()), static_cast<std::uint8_t>(number));
  return frame;
}

Buffer bytes_of(const Packet& packet) { return {packet.bytes.begin(), packet.bytes.end()}; }

class RingWalkTest : public testing::Test {
 protected:
  static constexpr std::size_t kBlocks = 4;

  std::size_t poll() { return walk.poll(batch); }
  void put(std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t number = first; number < first + count; ++number) ASSERT_TRUE(kernel.put({frame(number)}));
  }
  void expect_numbers(std::uint32_t first, std::size_t filled) {
    for (std::size_t at = 0; at < filled; ++at) {
      EXPECT_EQ(bytes_of(batch[at]), frame(first + static_cast<std::uint32_t>(at)));
    }
  }

  KernelRing kernel{kBlocks};
  RingWalk walk{kernel.memory(), KernelRing::kBlockBytes, {}};
  std::array<Packet, kBatchPackets> batch;
};

TEST_F(RingWalkTest, LendsClosedBlocksOnlyAndGivesThemBackAtTheNextPoll) {
  EXPECT_FALSE(walk.has_work());
  put(0, 3);
  EXPECT_FALSE(walk.has_work());
  EXPECT_EQ(poll(), 0u);  // the block is still the kernel's
  kernel.close();
  EXPECT_TRUE(walk.has_work());
  ASSERT_EQ(poll(), 3u);
  expect_numbers(0, 3);
  EXPECT_TRUE(kernel.is_lent(0));
  EXPECT_TRUE(walk.has_work());  // the block is to be given back
  EXPECT_TRUE(kernel.is_lent(0));
  EXPECT_EQ(poll(), 0u);
  EXPECT_FALSE(kernel.is_lent(0));
  EXPECT_FALSE(walk.has_work());
}

TEST_F(RingWalkTest, ALargeBlockStaysUntilItsLastBatchIsDone) {
  const std::uint32_t packets = 40;
  put(0, packets);
  kernel.close(0);
  const std::span<Packet> few = std::span(batch).first(16);
  ASSERT_EQ(walk.poll(few), 16u);
  expect_numbers(0, 16);
  ASSERT_EQ(walk.poll(few), 16u);
  expect_numbers(16, 16);
  EXPECT_TRUE(kernel.is_lent(0));
  ASSERT_EQ(walk.poll(few), 8u);
  expect_numbers(32, 8);
  EXPECT_TRUE(kernel.is_lent(0));
  EXPECT_EQ(walk.poll(few), 0u);
  EXPECT_FALSE(kernel.is_lent(0));
}

TEST_F(RingWalkTest, ABatchSpansBlocksAndKeepsThemAll) {
  for (std::uint32_t number = 0; number < kBlocks; ++number) {
    put(number, 1);
    kernel.close();
  }
  EXPECT_FALSE(kernel.put({frame(99)}));  // frozen
  ASSERT_EQ(poll(), kBlocks);             // and not once around
  expect_numbers(0, kBlocks);
  for (std::size_t block = 0; block < kBlocks; ++block) EXPECT_TRUE(kernel.is_lent(block));
  EXPECT_TRUE(walk.has_work());
  EXPECT_EQ(poll(), 0u);
  for (std::size_t block = 0; block < kBlocks; ++block) EXPECT_FALSE(kernel.is_lent(block));
  put(4, 1);
  kernel.close();
  ASSERT_EQ(poll(), 1u);
  expect_numbers(4, 1);
}

TEST_F(RingWalkTest, ABlockThatFillsWhileAnotherIsReadComesNext) {
  put(0, 20);
  kernel.close(0);
  ASSERT_EQ(walk.poll(std::span(batch).first(10)), 10u);
  put(20, 5);
  ASSERT_EQ(poll(), 10u);  // the open block does not count
  expect_numbers(10, 10);
  put(25, 5);
  kernel.close();
  ASSERT_EQ(poll(), 10u);
  expect_numbers(20, 10);
}

// Kernel 3.10 closes empty blocks, one each timeout, and does not wake poll(2) for any block that its timeout closed.
TEST_F(RingWalkTest, ARingFullOfEmptyBlocksIsGivenBack) {
  for (std::size_t block = 0; block < kBlocks; ++block) ASSERT_TRUE(kernel.close());
  EXPECT_FALSE(kernel.close());  // frozen: a burst would be lost
  EXPECT_FALSE(kernel.put({frame(99)}));
  EXPECT_FALSE(walk.has_work());  // asked without having been woken
  EXPECT_EQ(walk.counts().empty_blocks, kBlocks);
  put(0, 50);
  kernel.close();
  ASSERT_EQ(poll(), 50u);
  expect_numbers(0, 50);
  for (int round = 0; round < 10; ++round) {
    for (std::size_t block = 0; block < kBlocks - 1; ++block) ASSERT_TRUE(kernel.close());
    EXPECT_EQ(poll(), 0u);
    for (std::size_t block = 0; block < kBlocks; ++block) ASSERT_FALSE(kernel.is_lent(block));
  }
}

TEST_F(RingWalkTest, EmptyBlocksBetweenPacketsAreSteppedOver) {
  put(0, 1);
  kernel.close();
  kernel.close();
  put(1, 1);
  kernel.close();
  kernel.close();
  ASSERT_EQ(poll(), 2u);
  expect_numbers(0, 2);
  EXPECT_TRUE(kernel.is_lent(0));  // what is lent stays lent
  EXPECT_TRUE(kernel.is_lent(2));
  EXPECT_EQ(poll(), 0u);
  for (std::size_t block = 0; block < kBlocks; ++block) EXPECT_FALSE(kernel.is_lent(block));
  EXPECT_EQ(walk.counts().empty_blocks, 2u);
}

TEST_F(RingWalkTest, EveryPacketOfARingThatWrapsIsLentOrDropped) {
  std::mt19937 random(1);
  std::uint32_t sent = 0;
  std::uint64_t got = 0;
  std::uint32_t next = 0;
  const auto read = [&](std::size_t most) {
    const std::size_t filled = walk.poll(std::span(batch).first(most));
    for (std::size_t at = 0; at < filled; ++at) {
      const auto number = static_cast<std::uint32_t>(base::load_be(batch[at].bytes.subspan(14, 4)));
      ASSERT_GE(number, next);
      ASSERT_EQ(bytes_of(batch[at]), frame(number, 60 + number % 500));
      ASSERT_EQ(batch[at].time_ns, 7'000'000'000ull + number);
      next = number + 1;
    }
    got += filled;
  };
  for (int round = 0; round < 4000; ++round) {
    for (std::uint64_t burst = random() % 24; burst > 0; --burst, ++sent) {
      kernel.put({.bytes = frame(sent, 60 + sent % 500), .seconds = 7, .nanoseconds = sent});
    }
    if (random() % 3 == 0) kernel.close();
    read(1 + random() % kBatchPackets);
  }
  do {
    kernel.close();
    read(kBatchPackets);
  } while (walk.has_work());
  EXPECT_EQ(got + kernel.dropped(), sent);
  EXPECT_GT(kernel.dropped(), 0u);
  EXPECT_GT(got, 10'000u);
  EXPECT_EQ(walk.counts().unreadable, 0u);
}

TEST_F(RingWalkTest, TellsOfDropsTheKernelReports) {
  for (std::size_t block = 0; block < kBlocks; ++block) {
    put(0, 1);
    kernel.close();
  }
  kernel.put({frame(1)});  // dropped
  EXPECT_EQ(poll(), kBlocks);
  EXPECT_EQ(walk.counts().losing_blocks, 0u);
  EXPECT_EQ(poll(), 0u);
  put(2, 1);
  kernel.close();
  EXPECT_EQ(poll(), 1u);
  EXPECT_EQ(walk.counts().losing_blocks, 1u);
}

TEST_F(RingWalkTest, PutsTheVlanTagBack) {
  const Buffer plain = frame(1);
  const std::uint32_t valid = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
  const Buffer tiny(plain.begin(), plain.begin() + 11), addresses(plain.begin(), plain.begin() + 12);
  kernel.put({.bytes = plain, .status = valid, .vlan_tag = 0x6005, .vlan_type = 0x88a8});
  kernel.put({.bytes = plain, .status = TP_STATUS_VLAN_VALID, .vlan_tag = 5});  // 3.10: the type is lost
  kernel.put({.bytes = plain, .status = valid, .vlan_tag = 0, .vlan_type = 0x8100});
  kernel.put({.bytes = plain, .status = 0, .vlan_tag = 5});
  kernel.put({.bytes = tiny, .wire_bytes = 60, .status = valid, .vlan_tag = 5, .vlan_type = 0x8100});
  kernel.put({.bytes = addresses, .wire_bytes = 60, .status = valid, .vlan_tag = 5, .vlan_type = 0x8100});
  kernel.close();
  ASSERT_EQ(poll(), 6u);
  const auto tagged = [&](const Buffer& frame, Buffer tag) {
    tag.insert(tag.begin(), frame.begin(), frame.begin() + 12);
    tag.insert(tag.end(), frame.begin() + 12, frame.end());
    return tag;
  };
  EXPECT_EQ(bytes_of(batch[0]), tagged(plain, {0x88, 0xa8, 0x60, 0x05}));
  EXPECT_EQ(batch[0].wire_bytes, 64u);
  EXPECT_EQ(bytes_of(batch[1]), tagged(plain, {0x81, 0x00, 0x00, 0x05}));
  EXPECT_EQ(bytes_of(batch[2]), tagged(plain, {0x81, 0x00, 0x00, 0x00}));
  EXPECT_EQ(bytes_of(batch[3]), plain);
  EXPECT_EQ(batch[3].wire_bytes, 60u);
  EXPECT_EQ(bytes_of(batch[4]), tiny);  // nowhere to put it
  EXPECT_EQ(batch[4].wire_bytes, 60u);
  EXPECT_EQ(bytes_of(batch[5]), tagged(addresses, {0x81, 0x00, 0x00, 0x05}));
  EXPECT_EQ(batch[5].wire_bytes, 64u);
}

TEST_F(RingWalkTest, RawLinksHaveNoVlanTag) {
  RingWalk raw(kernel.memory(), KernelRing::kBlockBytes, {.restores_vlan = false});
  kernel.put({.bytes = frame(1), .status = TP_STATUS_VLAN_VALID, .vlan_tag = 5});
  kernel.close();
  ASSERT_EQ(raw.poll(batch), 1u);
  EXPECT_EQ(bytes_of(batch[0]), frame(1));
}

TEST_F(RingWalkTest, KeepsLengthAndTimeOfTruncatedPackets) {
  kernel.put({.bytes = frame(1, 64), .wire_bytes = 9000, .seconds = 4'000'000'000, .nanoseconds = 999'999'999});
  kernel.close();
  ASSERT_EQ(poll(), 1u);
  EXPECT_EQ(batch[0].bytes.size(), 64u);
  EXPECT_EQ(batch[0].wire_bytes, 9000u);
  EXPECT_EQ(batch[0].time_ns, 4'000'000'000'999'999'999u);
}

TEST_F(RingWalkTest, CountsWhoStampedThePackets) {
  for (const std::uint32_t status : {TP_STATUS_TS_RAW_HARDWARE, std::uint32_t{TP_STATUS_TS_SOFTWARE},
                                     std::uint32_t{TP_STATUS_TS_SOFTWARE}, 0u, 0u, 0u}) {
    kernel.put({.bytes = frame(1), .status = status});
  }
  kernel.close();
  ASSERT_EQ(poll(), 6u);
  EXPECT_EQ(walk.counts().stamps.nic, 1u);
  EXPECT_EQ(walk.counts().stamps.kernel, 2u);
  EXPECT_EQ(walk.counts().stamps.ring, 3u);
}

TEST_F(RingWalkTest, DropsOwnPacketsByRule) {
  RingWalk loopback(kernel.memory(), KernelRing::kBlockBytes, {.drops_outgoing = true});
  for (int count = 0; count < 3; ++count) kernel.put({.bytes = frame(9), .kind = PACKET_OUTGOING});
  kernel.close();
  EXPECT_EQ(loopback.poll(batch), 0u);
  EXPECT_FALSE(kernel.is_lent(0));  // nothing of it is lent
  kernel.put({.bytes = frame(9), .kind = PACKET_OUTGOING});
  kernel.put({.bytes = frame(1), .kind = PACKET_HOST});
  kernel.close();
  ASSERT_EQ(loopback.poll(batch), 1u);
  expect_numbers(1, 1);
  EXPECT_EQ(loopback.counts().filtered, 4u);
}

TEST_F(RingWalkTest, OffsetsThatLeaveTheBlockCostItsRestOnly) {
  struct Case {
    const char* name;
    void (*spoil)(KernelRing&);
    std::size_t lent;
  };
  const std::array<Case, 6> cases{{
      {"first packet behind the block", [](KernelRing& ring) { ring.block(0).offset_to_first_pkt = 8190; }, 0},
      {"first packet between two words", [](KernelRing& ring) { ring.block(0).offset_to_first_pkt = 49; }, 0},
      {"more packets than there are", [](KernelRing& ring) { ring.block(0).num_pkts = 4; }, 3},
      {"last packet longer than the block", [](KernelRing& ring) { ring.last_packet().tp_snaplen = 9000; }, 2},
      {"length near 2^32", [](KernelRing& ring) { ring.last_packet().tp_snaplen = 0xfffffff0; }, 2},
      {"packet inside its own header", [](KernelRing& ring) { ring.last_packet().tp_mac = 8; }, 2},
  }};
  for (const Case& one : cases) {
    KernelRing ring(kBlocks);
    RingWalk reader(ring.memory(), KernelRing::kBlockBytes, {});
    for (std::uint32_t number = 0; number < 3; ++number) ring.put({frame(number)});
    ring.close();
    one.spoil(ring);
    const std::uint64_t told = ring.block(0).num_pkts;
    ring.put({frame(7)});
    ring.close();
    ASSERT_EQ(reader.poll(batch), one.lent + 1) << one.name;
    EXPECT_EQ(bytes_of(batch[one.lent]), frame(7)) << one.name;
    EXPECT_EQ(reader.counts().unreadable, told - one.lent) << one.name;
  }
}

}  // namespace
}  // namespace hoptap::capture
