#include "capture/input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>

#include "capture/open_input.h"
#include "tests/unit/capture_file_builder.h"

namespace hoptap::capture {
namespace {

using test::Buffer;
using test::read_all;

/// A stream that gives its bytes in pieces of a fixed size.
class PieceInput final : public StreamInput {
 public:
  PieceInput(Buffer bytes, std::size_t piece_bytes) : bytes_(std::move(bytes)), piece_bytes_(piece_bytes) {}
  SourceProgress progress() const override { return {}; }

 protected:
  std::size_t produce(std::span<std::uint8_t> room) override {
    EXPECT_FALSE(room.empty());
    EXPECT_FALSE(has_ended_);
    const std::size_t count = std::min({piece_bytes_, room.size(), bytes_.size() - at_});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), count, room.begin());
    at_ += count;
    has_ended_ = count == 0;
    return count;
  }

 private:
  Buffer bytes_;
  std::size_t piece_bytes_;
  std::size_t at_ = 0;
  bool has_ended_ = false;
};

Buffer counting(std::size_t bytes) {
  Buffer buffer(bytes);
  for (std::size_t at = 0; at < bytes; ++at) buffer[at] = static_cast<std::uint8_t>(at * 7 + at / 256);
  return buffer;
}

TEST(StreamInputTest, GivesEveryByteOnceInOrder) {
  const Buffer bytes = counting(3'000'000);
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{65536}, bytes.size()}) {
    PieceInput input(bytes, piece);
    Buffer seen;
    std::size_t need = 1;
    while (input.refill(need)) {
      const std::size_t taken = std::min<std::size_t>(input.window().size(), 1 + need * 3);
      seen.insert(seen.end(), input.window().begin(), input.window().begin() + static_cast<std::ptrdiff_t>(taken));
      input.consume(taken);
      need = need * 2 % 700'001 + 1;
    }
    seen.insert(seen.end(), input.window().begin(), input.window().end());
    EXPECT_EQ(seen, bytes) << piece;
  }
}

TEST(StreamInputTest, KeepsTheWindowWhenNothingIsNeeded) {
  PieceInput input(counting(100), 10);
  ASSERT_TRUE(input.refill(15));
  const std::uint8_t* const before = input.window().data();
  ASSERT_TRUE(input.refill(20));
  EXPECT_EQ(input.window().data(), before);
  EXPECT_EQ(input.window().size(), 20u);
}

TEST(StreamInputTest, SkipsWhatHasNotComeYet) {
  const Buffer bytes = counting(2'000'000);
  PieceInput input(bytes, 4096);
  ASSERT_TRUE(input.refill(10));
  input.consume(1'500'000);
  EXPECT_TRUE(input.is_skipping());
  EXPECT_TRUE(input.window().empty());
  ASSERT_TRUE(input.refill(4));
  EXPECT_FALSE(input.is_skipping());
  EXPECT_EQ(input.consumed_bytes(), 1'500'000u);
  EXPECT_EQ(input.window()[0], bytes[1'500'000]);
  input.consume(1'000'000);
  EXPECT_FALSE(input.refill(1));
  EXPECT_TRUE(input.is_skipping());
  EXPECT_EQ(input.consumed_bytes(), bytes.size());
  EXPECT_FALSE(input.refill(1));  // and does not ask the stream again
}

TEST(StreamInputTest, ReadsFilesTheSameHoweverTheBytesCome) {
  test::PcapngBuilder file;
  file.interface();
  for (std::uint32_t count = 0; count < 700; ++count) {
    file.packet(0, count, Buffer(count * 13 % 3000, static_cast<std::uint8_t>(count)));
    if (count % 100 == 0) file.block(0xabcd, Buffer(count * 1000));
  }
  auto whole = open_bytes(file.file());
  ASSERT_TRUE(whole.has_value());
  const auto expected = read_all(**whole);
  EXPECT_EQ(expected.size(), 700u);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{17}, std::size_t{4096}, std::size_t{1'000'000}}) {
    auto source = open_input(std::make_unique<PieceInput>(file.file(), piece));
    ASSERT_TRUE(source.has_value());
    EXPECT_EQ(read_all(**source), expected) << piece;
    EXPECT_EQ((*source)->counters().unknown_blocks, 7u) << piece;
    EXPECT_EQ((*source)->complaint(), "") << piece;
  }
}

/// A file in the temporary folder, gone at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Buffer& bytes) : path_(testing::TempDir() + "hoptap_input_" + std::to_string(getpid())) {
    std::FILE* const file = std::fopen(path_.c_str(), "wb");
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::size_t resident_bytes() {
  std::FILE* const statm = std::fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  const int fields = std::fscanf(statm, "%lu %lu", &total, &resident);
  std::fclose(statm);
  EXPECT_EQ(fields, 2);
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(MappedInputTest, LetsGoOfPagesItHasRead) {
  constexpr std::size_t kFileBytes = 64u << 20;
  constexpr std::size_t kResidentMax = 20u << 20;
  const TemporaryFile file{Buffer(kFileBytes, 1)};
  auto input = open_path(file.path());
  ASSERT_TRUE(input.has_value());
  EXPECT_EQ((*input)->progress().total_bytes, kFileBytes);
  const std::size_t before = resident_bytes();
  std::size_t most = 0;
  std::uint64_t sum = 0;
  while ((*input)->refill(1)) {
    const base::Bytes piece = (*input)->window().first(std::min<std::size_t>((*input)->window().size(), 1u << 20));
    sum = std::accumulate(piece.begin(), piece.end(), sum);
    (*input)->consume(piece.size());
    (*input)->release();
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(sum, kFileBytes);
  EXPECT_LT(most, before + kResidentMax);
}

TEST(OpenPathTest, ReadsPipesAndCountsWhatCame) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const Buffer bytes = counting(5000);
  ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), 5000);
  close(ends[1]);
  auto input = open_path("/dev/fd/" + std::to_string(ends[0]));
  ASSERT_TRUE(input.has_value());
  ASSERT_TRUE((*input)->refill(5000));
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), (*input)->window().begin(), (*input)->window().end()));
  EXPECT_FALSE((*input)->refill(5001));
  EXPECT_EQ((*input)->window().size(), 5000u);
  EXPECT_EQ((*input)->progress().done_bytes, 5000u);
  EXPECT_EQ((*input)->progress().total_bytes, 0u);
  EXPECT_EQ((*input)->error(), "");
  close(ends[0]);
}

TEST(DescriptorInputTest, SaysWhyReadingFailed) {
  DescriptorInput input(open("/", O_RDONLY | O_DIRECTORY));
  EXPECT_FALSE(input.refill(1));
  EXPECT_EQ(input.error(), "reading failed: Is a directory");
}

}  // namespace
}  // namespace hoptap::capture
