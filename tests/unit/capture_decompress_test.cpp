#include "capture/decompress.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "capture/open_input.h"
#include "tests/unit/capture_file_builder.h"

namespace hoptap::capture {
namespace {

using test::Buffer;
using test::read_all;
using test::text;

Buffer gzip(const Buffer& plain) {
  z_stream stream{};
  constexpr int kGzip = 16;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Buffer packed(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

Buffer zstd(const Buffer& plain) {
  Buffer packed(ZSTD_compressBound(plain.size()));
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  packed.resize(ZSTD_compress2(context.get(), packed.data(), packed.size(), plain.data(), plain.size()));
  return packed;
}

Buffer join(const std::vector<Buffer>& parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Buffer slice(const Buffer& bytes, std::size_t from, std::size_t to) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to)};
}

/// Far longer than a stream's buffer once unpacked, and not too regular.
Buffer long_capture() {
  test::PcapBuilder file;
  std::uint32_t state = 1;
  for (std::uint64_t count = 0; count < 2000; ++count) {
    Buffer frame(100 + count % 1400);
    for (std::uint8_t& byte : frame) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<std::uint8_t>(state >> 30);
    }
    file.add(count * 1000, frame);
  }
  return file.file();
}

struct Packer {
  std::string name;
  Buffer (*pack)(const Buffer&);
};

class DecompressTest : public testing::TestWithParam<Packer> {
 protected:
  Buffer pack(const Buffer& plain) const { return GetParam().pack(plain); }
};

TEST_P(DecompressTest, ReadsWhatWasPackedWholeOrInParts) {
  const Buffer plain = long_capture();
  const auto expected = read_all(**open_bytes(plain));
  ASSERT_EQ(expected.size(), 2000u);
  const std::size_t middle = plain.size() / 2 + 3;
  const Buffer parts = join(
      {pack(slice(plain, 0, 10)), pack({}), pack(slice(plain, 10, middle)), pack(slice(plain, middle, plain.size()))});
  for (const Buffer& packed : {pack(plain), parts}) {
    auto source = open_bytes(packed);
    ASSERT_TRUE(source.has_value()) << source.error().what;
    EXPECT_EQ(read_all(**source), expected);
    EXPECT_EQ((*source)->complaint(), "");
    EXPECT_EQ((*source)->progress().done_bytes, packed.size());
    EXPECT_EQ((*source)->progress().total_bytes, packed.size());
  }
}

TEST_P(DecompressTest, CutAtEveryByteGivesWhatIsThereAndSaysSo) {
  test::PcapBuilder file;
  for (std::uint64_t count = 0; count < 20; ++count)
    file.add(count, text("packet number " + std::to_string(count * 37)));
  const auto expected = read_all(**open_bytes(file.file()));
  const Buffer packed = pack(file.file());
  for (std::size_t cut = 0; cut < packed.size(); ++cut) {
    const Buffer part = slice(packed, 0, cut);
    auto source = open_bytes(part);
    if (!source) {
      EXPECT_NE(source.error().what, "") << cut;
      continue;
    }
    const auto packets = read_all(**source);
    ASSERT_LE(packets.size(), expected.size()) << cut;
    EXPECT_TRUE(std::equal(packets.begin(), packets.end(), expected.begin())) << cut;
    EXPECT_NE((*source)->complaint().find("the compressed data is cut off"), std::string::npos) << cut;
  }
}

TEST_P(DecompressTest, EveryDamagedByteIsSurvived) {
  test::PcapBuilder file;
  for (std::uint64_t count = 0; count < 20; ++count)
    file.add(count, text("packet number " + std::to_string(count * 37)));
  const Buffer packed = pack(file.file());
  for (std::size_t at = 0; at < packed.size(); ++at) {
    Buffer damaged = packed;
    damaged[at] ^= 0xff;
    auto source = open_bytes(damaged);
    if (source) read_all(**source);
  }
}

TEST_P(DecompressTest, SaysWhereTheDataIsDamaged) {
  const Buffer plain = long_capture();
  Buffer packed = pack(plain);
  // Damage of a header is certain to be found, so put a part with a broken one behind a good one.
  const std::size_t good_bytes = packed.size();
  const Buffer bad = pack(text("more"));
  packed.insert(packed.end(), bad.begin(), bad.end());
  packed[good_bytes + 1] ^= 0xff;
  auto source = open_bytes(packed);
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(read_all(**source).size(), 2000u);
  EXPECT_NE((*source)->complaint().find("the compressed data is damaged after byte "), std::string::npos)
      << (*source)->complaint();
}

TEST_P(DecompressTest, GivesWhatCameBeforeTheDamage) {
  test::PcapBuilder file;
  for (std::uint64_t count = 0; count < 20; ++count)
    file.add(count, text("packet number " + std::to_string(count * 37)));
  Buffer packed = pack(file.file());
  packed.back() ^= 0xff;  // the length or check of the content
  auto source = open_bytes(packed);
  ASSERT_TRUE(source.has_value()) << source.error().what;
  EXPECT_GT(read_all(**source).size(), 0u);
  EXPECT_NE((*source)->complaint().find("the compressed data is damaged after byte "), std::string::npos);
}

TEST_P(DecompressTest, NamesWhatIsInside) {
  const auto failure_of = [](const Buffer& file) {
    auto source = open_bytes(file);
    return source ? std::string("opened") : source.error().what;
  };
  const std::string prefix = "is " + GetParam().name + " of a file that ";
  EXPECT_EQ(failure_of(pack({})), prefix + "is empty (0 bytes)");
  EXPECT_EQ(failure_of(pack(text("just some text, for a change"))),
            prefix + "is text, not a capture file (packets are saved with tcpdump -w FILE)");
  EXPECT_EQ(failure_of(pack(gzip(long_capture()))), prefix + "is compressed twice: decompress it first (gzip -d)");
  EXPECT_EQ(failure_of(pack(zstd(long_capture()))), prefix + "is compressed twice: decompress it first (zstd -d)");
  EXPECT_EQ(failure_of(pack(slice(long_capture(), 0, 20))), prefix + "is a pcap file cut off in its header");
}

INSTANTIATE_TEST_SUITE_P(Formats, DecompressTest, testing::Values(Packer{"gzip", gzip}, Packer{"zstd", zstd}),
                         [](const testing::TestParamInfo<Packer>& one) { return one.param.name; });

TEST(GzipTest, ZeroPaddingBehindTheLastMemberIsNoDamage) {
  const Buffer packed = join({gzip(long_capture()), Buffer(512)});
  auto source = open_bytes(packed);
  EXPECT_EQ(read_all(**source).size(), 2000u);
  EXPECT_EQ((*source)->complaint(), "");
}

TEST(GzipTest, OtherBytesBehindTheLastMemberAre) {
  const Buffer packed = join({gzip(long_capture()), text("garbage")});
  auto source = open_bytes(packed);
  EXPECT_EQ(read_all(**source).size(), 2000u);
  EXPECT_EQ((*source)->complaint(), "the compressed data is damaged after byte " + std::to_string(packed.size() - 7) +
                                        ": what follows is not gzip");
}

TEST(ZstdTest, SkippableFramesAreSkipped) {
  const Buffer note = test::OrderedWriter().u32(0x184d2a51).u32(5).add(text("notes")).buffer();
  const Buffer packed = join({note, zstd(long_capture()), note});
  auto source = open_bytes(packed);
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(read_all(**source).size(), 2000u);
  EXPECT_EQ((*source)->complaint(), "");
}

}  // namespace
}  // namespace hoptap::capture
