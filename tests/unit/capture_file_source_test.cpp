#include "capture/file_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "capture/open_input.h"
#include "tests/unit/capture_file_builder.h"

namespace hoptap::capture {
namespace {

using namespace std::string_literals;
using test::Buffer;
using test::read_all;
using test::text;

Buffer some_capture(std::size_t packets) {
  test::PcapBuilder file;
  for (std::size_t count = 0; count < packets; ++count)
    file.add(count * 1'000'000, Buffer(60, static_cast<std::uint8_t>(count)));
  return file.file();
}

/// A folder of its own for each test, removed with what is in it.
class OpenFileTest : public testing::Test {
 protected:
  OpenFileTest() : folder_(testing::TempDir() + "hoptap_open_" + std::to_string(getpid())) {
    std::filesystem::create_directory(folder_);
  }
  ~OpenFileTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const Buffer& bytes) const {
    const std::string path = folder_ + "/" + name;
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    return path;
  }

  /// What open_file() says without the path, or "opened".
  static std::string failure_of(const std::string& path) {
    auto source = open_file(path);
    if (source) return "opened";
    const std::string& what = source.error().what;
    EXPECT_EQ(what.find('\n'), std::string::npos);
    EXPECT_EQ(what.substr(0, path.size() + 2), path + ": ");
    return what.substr(path.size() + 2);
  }

  std::string folder_;
};

TEST_F(OpenFileTest, GoesByContentNotByName) {
  const std::string path = write("packets.txt", some_capture(3));
  auto source = open_file(path);
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(read_all(**source).size(), 3u);
}

TEST_F(OpenFileTest, NamesWhatCannotBeOpened) {
  EXPECT_EQ(failure_of(folder_ + "/none"), "No such file or directory");
  EXPECT_EQ(failure_of(folder_), "is a directory, not a capture file");
  EXPECT_EQ(failure_of(write("empty", {})), "is empty (0 bytes)");
  if (geteuid() == 0) return;  // who may read everything
  const std::string locked = write("locked", some_capture(1));
  chmod(locked.c_str(), 0);
  EXPECT_EQ(failure_of(locked), "Permission denied");
}

TEST_F(OpenFileTest, NamesOtherKindsOfFiles) {
  struct Case {
    std::string first;
    std::string expected;
  };
  const std::string rest(40, '\x01');
  const std::vector<Case> cases{
      {"\xfd"
       "7zXZ\0"s,
       "is compressed with xz: decompress it first (xz -d)"},
      {"BZh9", "is compressed with bzip2: decompress it first (bzip2 -d)"},
      {"\x04\x22\x4d\x18", "is compressed with lz4: decompress it first (lz4 -d)"},
      {"\x1f\x9d", "is compressed with compress: decompress it first (gzip -d)"},
      {"PK\x03\x04", "is a zip archive: unpack it first (unzip)"},
      {"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it first"},
      {"\x7f"
       "ELF",
       "is an ELF program or library, not a capture file"},
      {"snoop\0\0\0"s, "is a snoop capture (RFC 1761), which is not read: convert it first (editcap -F pcap)"},
      {"GMBU", "is a Microsoft Network Monitor 2 capture, which is not read: convert it first (editcap -F pcap)"},
      {"RTSS", "is a Microsoft Network Monitor 1 capture, which is not read: convert it first (editcap -F pcap)"},
      {"MDMP", "is a Windows memory dump, not a capture file"},
      {"SQLite format 3\0"s, "is an SQLite database, not a capture file"},
      {"\x01\x02\x03\x04", "is not a pcap or pcapng file"},
  };
  for (const Case& test : cases) EXPECT_EQ(failure_of(write("other", text(test.first + rest))), test.expected);
  EXPECT_EQ(failure_of(write("text", text("12:00:01 IP 10.0.0.1 > 10.0.0.2: Flags [S]\n"))),
            "is text, not a capture file (packets are saved with tcpdump -w FILE)");
  EXPECT_EQ(failure_of(write("short", text("\x01\x02\x03"))), "is too short to be a capture file (3 bytes)");
  const Buffer erf =
      test::OrderedWriter().u32(0).u32(1'700'000'000).u8(2).u8(4).add(Buffer{0, 80, 0, 0, 0, 60}).buffer();
  EXPECT_EQ(failure_of(write("erf", test::Writer().add(erf).fill(64).take())),
            "looks like an ERF capture (Endace), which is not read: convert it first (editcap -F pcap)");
}

TEST_F(OpenFileTest, NamesCaptureFilesWithoutPackets) {
  const Buffer pcap = some_capture(0);
  EXPECT_EQ(failure_of(write("pcap", pcap)), "opened");
  EXPECT_EQ(failure_of(write("pcap", Buffer(pcap.begin(), pcap.end() - 1))), "is a pcap file cut off in its header");
  const Buffer pcapng = test::PcapngBuilder().file();
  EXPECT_EQ(failure_of(write("pcapng", pcapng)), "opened");
  EXPECT_EQ(failure_of(write("pcapng", Buffer(pcapng.begin(), pcapng.begin() + 23))),
            "is a pcapng file cut off in its header");
}

TEST_F(OpenFileTest, ReadsStandardInputFromAPipeOrAFile) {
  const Buffer file = some_capture(400);
  const int saved = dup(STDIN_FILENO);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  ASSERT_EQ(::write(ends[1], file.data(), file.size()), static_cast<ssize_t>(file.size()));
  close(ends[1]);
  const int regular = open(write("stdin", file).c_str(), O_RDONLY);
  for (const int fd : {ends[0], regular}) {
    dup2(fd, STDIN_FILENO);
    close(fd);
    auto source = open_file("-");
    ASSERT_TRUE(source.has_value());
    EXPECT_EQ(read_all(**source).size(), 400u);
  }
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  close(null);
  auto source = open_file("-");
  dup2(saved, STDIN_FILENO);
  close(saved);
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().what, "standard input: is empty (0 bytes)");
}

TEST(FileSourceTest, GivesAtMostOneBatchAtATime) {
  constexpr std::size_t kLeft = 40, kPackets = 2 * kBatchPackets + 3 + kLeft;
  static_assert(kLeft < kBatchPackets);
  const Buffer file = some_capture(kPackets);
  auto source = open_bytes(file);
  ASSERT_TRUE(source.has_value());
  std::vector<Packet> batch(1000);
  EXPECT_EQ((*source)->poll(batch), kBatchPackets);
  EXPECT_EQ((*source)->counters().packets, kBatchPackets);
  EXPECT_EQ((*source)->poll(std::span(batch).first(3)), 3u);
  EXPECT_EQ(batch[0].bytes[0], static_cast<std::uint8_t>(kBatchPackets));
  EXPECT_EQ((*source)->poll(batch), kBatchPackets);
  EXPECT_EQ((*source)->poll(batch), kLeft);
  EXPECT_EQ((*source)->poll(batch), 0u);
  EXPECT_EQ((*source)->poll(batch), 0u);
  EXPECT_EQ((*source)->counters().packets, kPackets);
}

}  // namespace
}  // namespace hoptap::capture
