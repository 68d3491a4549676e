#include "export/zstd_frame.h"

#include <gtest/gtest.h>
#include <zstd.h>

namespace hoptap::test {
namespace {

using exporting::compress;
using exporting::decompress;

const std::string kText(100'000, 'x');

std::string refusal(std::string_view bytes, std::size_t bytes_max) {
  const auto text = decompress(bytes, bytes_max);
  return text ? "" : text.error().what;
}

TEST(WireCompress, ComesBack) {
  for (const std::string& text : {std::string(), std::string("a"), kText}) {
    for (const int level : {1, 3, 9}) {
      const auto back = decompress(compress(text, level), text.size());
      ASSERT_TRUE(back) << back.error().what;
      EXPECT_EQ(*back, text);
    }
  }
}

TEST(WireCompress, RefusesMoreThanAllowed) {
  EXPECT_EQ(refusal(compress(kText), kText.size() - 1), "compressed bytes: 100000 bytes, more than the 99999 allowed");
}

TEST(WireCompress, RefusesWhatIsNotOneWholeFrame) {
  const std::string frame = compress(kText);
  EXPECT_NE(refusal("", 100), "");
  EXPECT_NE(refusal("plain text", 100), "");
  EXPECT_EQ(refusal(frame + "x", kText.size()), "compressed bytes: bytes behind the frame");
  EXPECT_EQ(refusal(frame + frame, 10 * kText.size()), "compressed bytes: bytes behind the frame");
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_NE(refusal(std::string(frame.data(), size), kText.size()), "") << size;
}

TEST(WireCompress, NoticesChangedBytes) {
  std::string varied;
  for (unsigned at = 0; at < 3000; ++at) varied.push_back(static_cast<char>(at * at >> 3));
  const std::string frame = compress(varied);
  for (std::size_t at = 0; at < frame.size(); ++at) {
    std::string changed = frame;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const auto text = decompress(changed, varied.size());
    EXPECT_TRUE(!text || *text == varied) << at;
  }
}

TEST(WireCompress, RefusesAFrameWithoutSize) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string frame(ZSTD_compressBound(kText.size()), '\0');
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), kText.data(), kText.size()));
  ZSTD_freeCCtx(context);
  EXPECT_EQ(refusal(frame, kText.size()), "compressed bytes: the frame does not say its size");
}

}  // namespace
}  // namespace hoptap::test
