#include "decode/l7/http1_chunks.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "decode/l7/text_lines.h"

namespace hoptap::decode::l7 {
namespace {

constexpr std::size_t kLineBytesMax = 4096;  // size and extensions; more means we lost our place

/// "1a;ext=1": the size in hex. Nothing when it is not one.
std::optional<std::uint64_t> chunk_size(std::string_view line) {
  std::uint64_t size = 0;
  const char* const end = line.data() + line.size();
  const auto [behind, error] = std::from_chars(line.data(), end, size, 16);
  if (error != std::errc() || size > kBodyBytesMax) return std::nullopt;
  const std::string_view rest = trimmed({behind, static_cast<std::size_t>(end - behind)});
  if (!rest.empty() && rest.front() != ';') return std::nullopt;
  return size;
}

}  // namespace

ParseStep parse_chunk(base::Bytes stream, std::size_t searched, bool& in_trailers) {
  constexpr std::uint64_t kLineEndBytes = 2;
  if (base::as_text(stream).find('\n', searched) == std::string_view::npos)
    return {!in_trailers && stream.size() > kLineBytesMax ? Step::kInvalid : Step::kNeedMore};
  Lines lines(stream);
  const auto line = lines.next();
  if (!line) return {in_trailers ? Step::kNeedMore : Step::kInvalid};
  if (in_trailers) return {line->empty() ? Step::kEnd : Step::kPart, lines.consumed()};
  const auto size = chunk_size(*line);
  if (!size) return {Step::kInvalid};
  in_trailers = *size == 0;
  return {Step::kPart, lines.consumed() + (in_trailers ? 0 : *size + kLineEndBytes)};
}

}  // namespace hoptap::decode::l7
