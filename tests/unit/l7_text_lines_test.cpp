// Lines of texts of all lengths about the size of a block, beside lines found byte by byte.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "decode/l7/text_lines.h"

namespace hoptap::decode::l7 {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  Lines lines(base::as_bytes(text));
  while (const auto line = lines.next()) found.emplace_back(*line);
  found.emplace_back(text.substr(lines.consumed()));  // the line that is not whole
  return found;
}

std::vector<std::string> lines_byte_by_byte(const std::string& text) {
  std::vector<std::string> found;
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (line.ends_with('\r')) line.pop_back();
    found.push_back(line);
    line.clear();
  }
  found.push_back(line);
  return found;
}

TEST(TextLines, AreThoseFoundByteByByte) {
  std::mt19937 random(1);
  constexpr std::string_view kBytes = "\n\r:ab";
  for (std::size_t length = 0; length <= 200; ++length) {
    for (int turn = 0; turn < 40; ++turn) {
      std::string text(length, 'x');
      for (char& c : text)
        if (random() % 8 == 0) c = kBytes[random() % kBytes.size()];
      text.shrink_to_fit();  // so that the sanitizer sees what is read behind it
      EXPECT_EQ(lines_of(text), lines_byte_by_byte(text)) << "length " << length;
    }
  }
}

TEST(TextLines, UnwantedOnesArePassedOver) {
  Lines lines(base::as_bytes("a: 1\r\nb: 2\r\n\nb: 3\n\rx\nb: 4"));
  std::vector<std::string> seen;
  const auto begins_otherwise = [](const char* line) { return *line != 'a' && *line != 'x'; };
  const auto is_third = [&seen](std::string_view line) {
    seen.emplace_back(line);
    return seen.size() == 3;
  };
  EXPECT_TRUE(lines.find(begins_otherwise, is_third));
  EXPECT_EQ(seen, (std::vector<std::string>{"b: 2\r", "", "b: 3"}));
  EXPECT_EQ(lines.next(), "\rx");
  EXPECT_FALSE(lines.find(begins_otherwise, is_third));
  EXPECT_EQ(seen.size(), 3u);  // the last line is not whole
}

TEST(TextLines, KeepTheLastLineUntilItIsWhole) {
  Lines lines(base::as_bytes("one\r\ntw"));
  EXPECT_EQ(lines.next(), "one");
  EXPECT_EQ(lines.next(), std::nullopt);
  EXPECT_EQ(lines.next(), std::nullopt);
  EXPECT_EQ(lines.consumed(), 5u);
}

}  // namespace
}  // namespace hoptap::decode::l7
