#include "capture/pcap_format.h"

#include <gtest/gtest.h>

#include "capture/open_input.h"
#include "tests/unit/capture_file_builder.h"

namespace hoptap::capture {
namespace {

using test::Buffer;
using test::KeptPacket;
using test::PcapBuilder;
using test::PcapOptions;
using test::read_all;

constexpr std::uint64_t kTime = 1'700'000'000'123'456'789;

std::unique_ptr<Source> open(const Buffer& file) {
  auto source = open_bytes(file);
  EXPECT_TRUE(source.has_value()) << (source ? "" : source.error().what);
  return source ? *std::move(source) : nullptr;
}

struct VariantCase {
  std::uint32_t magic;
  std::endian order;
  std::uint64_t expected_ns;
};

class PcapVariantTest : public testing::TestWithParam<VariantCase> {};

TEST_P(PcapVariantTest, ReadsPacketsAndTimes) {
  const VariantCase& test = GetParam();
  const Buffer first = test::text("first"), second = test::text("the second one");
  const PcapBuilder file =
      PcapBuilder({.order = test.order, .magic = test.magic}).add(kTime, first).add(kTime, second, 1500);
  const auto source = open(file.file());
  ASSERT_NE(source, nullptr);
  const std::vector<KeptPacket> packets = read_all(*source);
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0], (KeptPacket{first, test.expected_ns, 5, 0}));
  EXPECT_EQ(packets[1], (KeptPacket{second, test.expected_ns, 1500, 0}));
  EXPECT_EQ(source->counters().packets, 2u);
  EXPECT_EQ(source->counters().bytes, first.size() + second.size());
  EXPECT_EQ(source->complaint(), "");
  EXPECT_EQ(source->progress().done_bytes, file.file().size());
  EXPECT_EQ(source->progress().total_bytes, file.file().size());
}

INSTANTIATE_TEST_SUITE_P(Magics, PcapVariantTest,
                         testing::Values(VariantCase{0xa1b2c3d4, std::endian::little, kTime / 1000 * 1000},
                                         VariantCase{0xa1b2c3d4, std::endian::big, kTime / 1000 * 1000},
                                         VariantCase{0xa1b23c4d, std::endian::little, kTime},
                                         VariantCase{0xa1b23c4d, std::endian::big, kTime},
                                         VariantCase{0xa1b2cd34, std::endian::little, kTime / 1000 * 1000},
                                         VariantCase{0xa1b2cd34, std::endian::big, kTime / 1000 * 1000}));

struct LinkTypeCase {
  std::uint32_t in_file;
  LinkType expected;
};

class PcapLinkTypeTest : public testing::TestWithParam<LinkTypeCase> {};

TEST_P(PcapLinkTypeTest, IsNormalised) {
  const auto source = open(PcapBuilder({.snap_bytes = 96, .link_type = GetParam().in_file}).file());
  ASSERT_NE(source, nullptr);
  ASSERT_EQ(source->interfaces().size(), 1u);
  EXPECT_EQ(source->interfaces()[0].link_type, GetParam().expected);
  EXPECT_EQ(source->interfaces()[0].snap_bytes, 96u);
}

INSTANTIATE_TEST_SUITE_P(Numbers, PcapLinkTypeTest,
                         testing::Values(LinkTypeCase{1, 1}, LinkTypeCase{0, 0}, LinkTypeCase{12, 101},
                                         LinkTypeCase{14, 101}, LinkTypeCase{101, 101}, LinkTypeCase{108, 108},
                                         LinkTypeCase{276, 276},
                                         LinkTypeCase{0x44000001, 1},  // with a frame check sequence of 4 bytes
                                         LinkTypeCase{0x54000071, 113}));

TEST(PcapFormatTest, RaisesAWireLengthBelowTheCapturedOne) {
  const Buffer frame(60, 1);
  const PcapBuilder file = PcapBuilder().add(kTime, frame, 42);
  EXPECT_EQ(read_all(*open(file.file())).at(0).wire_bytes, 60u);
}

TEST(PcapFormatTest, SwapsTheLengthsOfOldVersionsWhenTheyMustBe) {
  const Buffer frame(60, 1);
  for (const std::uint16_t minor : {std::uint16_t{2}, std::uint16_t{3}}) {
    const PcapBuilder file =
        PcapBuilder({.minor = minor}).add_raw(1, 0, 1500, 60, frame).add_raw(1, 0, 60, 1500, frame);
    const std::vector<KeptPacket> packets = read_all(*open(file.file()));
    ASSERT_EQ(packets.size(), 2u) << minor;
    EXPECT_EQ(packets[0], packets[1]) << minor;
    EXPECT_EQ(packets[0].wire_bytes, 1500u) << minor;
  }
}

TEST(PcapFormatTest, HoldsTheLargestTimes) {
  const PcapBuilder file = PcapBuilder().add_raw(0xffffffff, 0xffffffff, 0, 0, {});
  EXPECT_EQ(read_all(*open(file.file())).at(0).time_ns, 0xffffffffull * 1'000'000'000 + 0xffffffffull * 1000);
}

TEST(PcapFormatTest, EndsAtAnAbsurdLengthAndSaysWhere) {
  const Buffer frame(60, 1);
  const PcapBuilder file = PcapBuilder().add(kTime, frame).add_raw(1, 0, 0x7fffffff, 60, frame).add(kTime, frame);
  const auto source = open(file.file());
  EXPECT_EQ(read_all(*source).size(), 1u);
  EXPECT_EQ(source->counters().bad_records, 1u);
  EXPECT_EQ(source->counters().cut_records, 0u);
  EXPECT_EQ(source->complaint(), "a record claims 2147483647 bytes at byte 100: nothing after that was read");
  std::array<Packet, 1> batch;
  EXPECT_EQ(source->poll(batch), 0u);  // stays ended
  EXPECT_EQ(source->counters().bad_records, 1u);
}

TEST(PcapFormatTest, ReadsTheLongestRecord) {
  const Buffer frame(kRecordBytesMax, 7);
  const PcapBuilder file = PcapBuilder().add(kTime, frame);
  EXPECT_EQ(read_all(*open(file.file())).at(0).bytes.size(), kRecordBytesMax);
}

TEST(PcapFormatTest, RefusesOtherVersions) {
  const Buffer file = PcapBuilder({.major = 3}).file();
  const auto source = open_bytes(file);
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().what, "is a pcap file of version 3.4; 2.4 is what is read");
}

TEST(PcapFormatTest, FileCutAtEveryByte) {
  constexpr std::size_t kFileHeaderBytes = 24, kRecordBytes = 16 + 30;
  const Buffer frame(30, 1);
  const PcapBuilder file = PcapBuilder().add(kTime, frame).add(kTime, frame).add(kTime, frame);
  for (std::size_t cut = 0; cut < file.file().size(); ++cut) {
    const Buffer part(file.file().begin(), file.file().begin() + static_cast<std::ptrdiff_t>(cut));
    auto source = open_bytes(part);
    if (cut < kFileHeaderBytes) {
      EXPECT_FALSE(source.has_value()) << cut;
      continue;
    }
    ASSERT_TRUE(source.has_value()) << cut;
    const std::size_t record_part = (cut - kFileHeaderBytes) % kRecordBytes;
    EXPECT_EQ(read_all(**source).size(), (cut - kFileHeaderBytes) / kRecordBytes) << cut;
    EXPECT_EQ((*source)->counters().cut_records, record_part == 0 ? 0u : 1u) << cut;
    const std::string expected =
        record_part == 0 ? "" : "the last record, at byte " + std::to_string(cut - record_part) + ", is cut off";
    EXPECT_EQ((*source)->complaint(), expected) << cut;
  }
}

}  // namespace
}  // namespace hoptap::capture
