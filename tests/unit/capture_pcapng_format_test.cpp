#include "capture/pcapng_format.h"

#include <gtest/gtest.h>

#include "capture/open_input.h"
#include "tests/unit/capture_file_builder.h"

namespace hoptap::capture {
namespace {

using test::Buffer;
using test::KeptPacket;
using test::PcapngBuilder;
using test::read_all;
using test::text;

constexpr std::uint64_t kTimeUs = 1'700'000'000'123'456;
constexpr std::uint64_t kTimeNs = kTimeUs * 1000;
constexpr std::uint16_t kName = 2, kDescription = 3, kTimeResolution = 9, kTimeOffset = 14;
constexpr std::uint16_t kDroppedByInterface = 5, kDroppedBySystem = 7;

std::unique_ptr<Source> open(const Buffer& file) {
  auto source = open_bytes(file);
  EXPECT_TRUE(source.has_value()) << (source ? "" : source.error().what);
  return source ? *std::move(source) : nullptr;
}

class PcapngOrderTest : public testing::TestWithParam<std::endian> {};

TEST_P(PcapngOrderTest, ReadsEveryKindOfPacketBlock) {
  const Buffer frame = text("a frame of 21 bytes..");
  PcapngBuilder file(GetParam());
  file.interface(1, 16).packet(0, kTimeUs, frame, {}, 1500).obsolete_packet(0, kTimeUs + 1, frame);
  file.simple_packet(Buffer(frame.begin(), frame.begin() + 16), 21).simple_packet(text("short"), 5);
  const auto source = open(file.file());
  ASSERT_NE(source, nullptr);
  const std::vector<KeptPacket> packets = read_all(*source);
  ASSERT_EQ(packets.size(), 4u);
  EXPECT_EQ(packets[0], (KeptPacket{frame, kTimeNs, 1500, 0}));
  EXPECT_EQ(packets[1], (KeptPacket{frame, kTimeNs + 1000, 21, 0}));
  // A simple packet is cut to the snap length of 16 and has no time.
  EXPECT_EQ(packets[2], (KeptPacket{Buffer(frame.begin(), frame.begin() + 16), kTimeNs + 1000, 21, 0}));
  EXPECT_EQ(packets[3], (KeptPacket{text("short"), kTimeNs + 1000, 5, 0}));
  EXPECT_EQ(source->complaint(), "2 packets have no time of their own and got that of the packet before");
}

TEST_P(PcapngOrderTest, ReadsInterfaces) {
  PcapngBuilder file(GetParam());
  file.interface(1, 96, {{kName, text("eth0")}, {kDescription, text("uplink")}});
  file.interface(12, 0, {{kDescription, text("the tunnel")}, {kTimeResolution, {9}}});
  file.interface(113, 0,
                 {{kName, Buffer{'l', 'o', 0, 'x'}}, {kTimeResolution, {0x81}}, {kTimeOffset, file.number(100)}});
  file.interface();
  file.packet(1, kTimeNs, {}).packet(2, 3, {}).packet(3, kTimeUs, {});
  const auto source = open(file.file());
  const std::vector<KeptPacket> packets = read_all(*source);
  const std::span<const Interface> interfaces = source->interfaces();
  ASSERT_EQ(interfaces.size(), 4u);
  EXPECT_EQ(interfaces[0].name, "eth0");
  EXPECT_EQ(interfaces[0].snap_bytes, 96u);
  EXPECT_EQ(interfaces[1].name, "the tunnel");
  EXPECT_EQ(interfaces[1].link_type, 101);
  EXPECT_EQ(interfaces[2].name, "lo");
  EXPECT_EQ(interfaces[2].link_type, 113);
  EXPECT_EQ(interfaces[3].name, "");
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(packets[0].time_ns, kTimeNs);
  EXPECT_EQ(packets[1].time_ns, 101'500'000'000u);
  EXPECT_EQ(packets[2].time_ns, kTimeNs);
}

TEST_P(PcapngOrderTest, CountsWhatTheCaptureLost) {
  PcapngBuilder file(GetParam());
  file.interface().interface();
  file.statistics(0, {{kDroppedByInterface, file.number(3)}, {kDroppedBySystem, file.number(4)}});
  file.statistics(1, {{kDroppedByInterface, file.number(10)}, {4, file.number(1000)}});
  file.statistics(0, {{kDroppedByInterface, file.number(5)}, {kDroppedBySystem, file.number(4)}});
  file.statistics(1, {{kDroppedByInterface, text("no")}, {kDroppedBySystem, file.number(10)}});
  const auto source = open(file.file());
  read_all(*source);
  EXPECT_EQ(source->counters().dropped_by_capture, 19u);  // the last word on each: 9 and 10
  EXPECT_EQ(source->complaint(), "");
}

INSTANTIATE_TEST_SUITE_P(Orders, PcapngOrderTest, testing::Values(std::endian::little, std::endian::big));

TEST(PcapngFormatTest, KeepsInterfacesOfSectionsApart) {
  PcapngBuilder file(std::endian::little);
  file.interface(1, 0, {{kName, text("first")}}).packet(0, kTimeUs, text("a"));
  file.section(std::endian::big).interface(101, 0, {{kName, text("second")}}).packet(0, kTimeUs, text("b"));
  file.section(std::endian::little).packet(0, kTimeUs, text("no interface"));
  file.interface(113).packet(0, kTimeUs, text("c"));
  const auto source = open(file.file());
  const std::vector<KeptPacket> packets = read_all(*source);
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(packets[0].interface_id, 0);
  EXPECT_EQ(packets[1].interface_id, 1);
  EXPECT_EQ(packets[2].interface_id, 2);
  ASSERT_EQ(source->interfaces().size(), 3u);
  EXPECT_EQ(source->interfaces()[1].name, "second");
  EXPECT_EQ(source->counters().bad_records, 1u);
  EXPECT_EQ(source->complaint(), "1 blocks contradict the format and were skipped");
}

TEST(PcapngFormatTest, SkipsBlocksItDoesNotKnow) {
  PcapngBuilder file;
  file.interface().block(0x0000abcd, Buffer(4096)).block(0x80000001, {}).packet(0, kTimeUs, text("a"));
  for (const std::uint32_t known : {4u, 9u, 10u, 0x0badu, 0x40000badu}) file.block(known, Buffer(8));
  file.packet(0, kTimeUs, text("b"));
  const auto source = open(file.file());
  EXPECT_EQ(read_all(*source).size(), 2u);
  EXPECT_EQ(source->counters().unknown_blocks, 2u);
  EXPECT_EQ(source->counters().bad_records, 0u);
  EXPECT_EQ(source->complaint(), "");
}

struct BadBlockCase {
  std::string name;
  std::uint32_t type;
  Buffer body;
};

class PcapngBadBlockTest : public testing::TestWithParam<BadBlockCase> {};

TEST_P(PcapngBadBlockTest, IsCountedAndSkipped) {
  PcapngBuilder file;
  file.interface().block(GetParam().type, GetParam().body).packet(0, kTimeUs, text("after"));
  const auto source = open(file.file());
  EXPECT_EQ(read_all(*source).size(), 1u);
  EXPECT_EQ(source->counters().bad_records, 1u);
  EXPECT_NE(source->complaint(), "");
}

Buffer packet_body(std::uint32_t interface_id, std::uint32_t captured_bytes, const Buffer& data) {
  return test::OrderedWriter().u32(interface_id).u64(0).u32(captured_bytes).u32(60).add(data).buffer();
}

INSTANTIATE_TEST_SUITE_P(
    Blocks, PcapngBadBlockTest,
    testing::Values(BadBlockCase{"PacketTooShort", 6, Buffer(16)},
                    BadBlockCase{"ObsoletePacketTooShort", 2, Buffer(16)},
                    BadBlockCase{"PacketOfNoInterface", 6, packet_body(1, 4, Buffer(4))},
                    BadBlockCase{"PacketOfHostileInterface", 6, packet_body(0xffffffff, 4, Buffer(4))},
                    BadBlockCase{"PacketLongerThanItsBlock", 6, packet_body(0, 5, Buffer(4))},
                    BadBlockCase{"PacketOfHostileLength", 6, packet_body(0, 0xffffffff, Buffer(4))},
                    BadBlockCase{"SimplePacketTooShort", 3, {}}, BadBlockCase{"InterfaceTooShort", 1, Buffer(4)},
                    BadBlockCase{"StatisticsTooShort", 5, Buffer(8)},
                    BadBlockCase{"StatisticsOfNoInterface", 5, Buffer(12, 0xff)}),
    [](const testing::TestParamInfo<BadBlockCase>& one) { return one.param.name; });

TEST(PcapngFormatTest, BadOptionLengthEndsTheOptionsOnly) {
  PcapngBuilder file;
  file.block(1, test::OrderedWriter().u16(1).u16(0).u32(0).u16(kName).u16(1000).add(text("eth0")).buffer());
  file.packet(0, kTimeUs, text("a"));
  const auto source = open(file.file());
  EXPECT_EQ(read_all(*source).size(), 1u);
  EXPECT_EQ(source->interfaces()[0].name, "");
}

TEST(PcapngFormatTest, SimplePacketBeforeAnyInterfaceIsBad) {
  const PcapngBuilder file = PcapngBuilder().simple_packet(text("abcd"), 4);
  const auto source = open(file.file());
  EXPECT_EQ(read_all(*source).size(), 0u);
  EXPECT_EQ(source->counters().bad_records, 1u);
}

TEST(PcapngFormatTest, LimitsInterfacesAndTheirNames) {
  PcapngBuilder file;
  file.interface(1, 0, {{kName, Buffer(60000, 'x')}});
  for (int count = 1; count <= kInterfacesMax; ++count) file.interface();
  const auto source = open(file.file());
  read_all(*source);
  EXPECT_EQ(source->interfaces().size(), kInterfacesMax);
  EXPECT_EQ(source->interfaces()[0].name.size(), 256u);
  EXPECT_EQ(source->counters().bad_records, 1u);
}

struct EndCase {
  std::string name;
  Buffer block;  ///< behind a good file of one packet
  std::string expected;
};

class PcapngEndTest : public testing::TestWithParam<EndCase> {};

TEST_P(PcapngEndTest, SaysWhyNothingMoreWasRead) {
  PcapngBuilder good;
  good.interface().packet(0, kTimeUs, text("good"));
  const std::size_t at = good.file().size();
  Buffer file = good.file();
  file.insert(file.end(), GetParam().block.begin(), GetParam().block.end());
  const Buffer tail = PcapngBuilder().packet(0, 0, text("lost")).file();
  file.insert(file.end(), tail.begin(), tail.end());
  const auto source = open(file);
  EXPECT_EQ(read_all(*source).size(), 1u);
  EXPECT_EQ(source->counters().bad_records, 1u);
  EXPECT_EQ(source->complaint(),
            GetParam().expected + " at byte " + std::to_string(at) + ": nothing after that was read");
}

test::OrderedWriter words(const std::vector<std::uint32_t>& values) {
  test::OrderedWriter out;
  for (const std::uint32_t value : values) out.u32(value);
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Ends, PcapngEndTest,
    testing::Values(EndCase{"LengthTooSmall", words({6, 8, 8}).buffer(), "a block claims 8 bytes"},
                    EndCase{"LengthNotOfWords", words({6, 37, 0}).buffer(), "a block claims 37 bytes"},
                    EndCase{"LengthAbsurd", words({6, 0x7ffffffc, 0}).buffer(), "a block claims 2147483644 bytes"},
                    EndCase{"LengthsDiffer", words({6, 32, 0, 0, 0, 0, 0, 36}).buffer(),
                            "a block's two lengths differ"},
                    EndCase{"NoByteOrder", words({0x0a0d0d0a, 28, 0x12345678, 1, 0, 0, 28}).buffer(),
                            "a section has no byte order mark"},
                    EndCase{"SectionTooShort", words({0x0a0d0d0a, 24, 0x1a2b3c4d, 1, 0, 0, 24}).buffer(),
                            "a section header claims 24 bytes"},
                    EndCase{"OtherVersion", words({0x0a0d0d0a, 28, 0x1a2b3c4d, 2, 0, 0, 28}).buffer(),
                            "a section is of version 2.0; 1.0 is what is read"}),
    [](const testing::TestParamInfo<EndCase>& one) { return one.param.name; });

TEST(PcapngFormatTest, RefusesAFileThatBeginsDamaged) {
  const Buffer file = words({0x0a0d0d0a, 28, 0x12345678, 1, 0, 0, 28}).buffer();
  const auto source = open_bytes(file);
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().what, "is a damaged pcapng file: a section has no byte order mark");
}

TEST(PcapngFormatTest, FileCutAtEveryByte) {
  PcapngBuilder builder;
  std::vector<std::size_t> packet_ends, block_ends;
  const auto note = [&](bool is_packet) {
    block_ends.push_back(builder.file().size());
    if (is_packet) packet_ends.push_back(builder.file().size());
  };
  note(false);
  builder.interface(1, 0, {{kName, text("eth0")}});
  note(false);
  builder.packet(0, kTimeUs, text("first"));
  note(true);
  builder.block(0xabcd, Buffer(40));
  note(false);
  builder.simple_packet(text("second"), 6);
  note(true);
  builder.obsolete_packet(0, kTimeUs, text("third"));
  note(true);
  builder.statistics(0, {{kDroppedBySystem, builder.number(1)}});
  note(false);
  const Buffer& file = builder.file();
  for (std::size_t cut = 0; cut <= file.size(); ++cut) {
    const Buffer part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(cut));
    auto source = open_bytes(part);
    ASSERT_EQ(source.has_value(), cut >= PcapngFormat::kFileHeaderBytes) << cut;
    if (!source) continue;
    const auto expected = std::count_if(packet_ends.begin(), packet_ends.end(), [cut](auto end) { return end <= cut; });
    EXPECT_EQ(read_all(**source).size(), static_cast<std::size_t>(expected)) << cut;
    const bool is_whole = std::find(block_ends.begin(), block_ends.end(), cut) != block_ends.end();
    EXPECT_EQ((*source)->counters().cut_records, is_whole ? 0u : 1u) << cut;
    EXPECT_EQ((*source)->complaint().find("is cut off") == std::string::npos, is_whole) << cut;
  }
}

}  // namespace
}  // namespace hoptap::capture
