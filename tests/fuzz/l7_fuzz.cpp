// Every parser on any bytes, whole and cut at every byte: no step may stand still or leave what the contract allows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "decode/l7/parser.h"

namespace {

using namespace hoptap::decode::l7;

void require(bool holds) {
  if (!holds) std::abort();
}

void drive(const Parser& parser, hoptap::base::Bytes stream, Direction direction, std::size_t split) {
  ParserState state;
  std::size_t at = 0;
  for (const std::size_t end : {split, stream.size()}) {
    while (at < end) {
      Message message;
      const ParseStep step = parser.parse(stream.subspan(at, end - at), direction, state, message);
      require(message.id_count <= Message::kIdsMax);
      if (step.step == Step::kNeedMore) break;
      if (step.step == Step::kInvalid || step.consumed == 0) {
        const std::size_t offset = parser.resync(stream.subspan(at + 1, end - at - 1), direction, state);
        require(offset <= end - at - 1);
        at += 1 + offset;
        continue;
      }
      if (step.consumed >= stream.size() - at) return;
      at += static_cast<std::size_t>(step.consumed);
    }
  }
  if (at == stream.size()) return;
  state.is_cut = true;
  Message message;
  const ParseStep step = parser.parse(stream.subspan(at), direction, state, message);
  require(step.step != Step::kMessage || step.consumed > 0);
  require(message.id_count <= Message::kIdsMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kBytesMax = 1024;  // every split of it is tried: more would be slow, not deeper
  size = std::min(size, kBytesMax);
  const hoptap::base::Bytes stream(data, size);
  const std::size_t splits = size < 64 ? size : 64;
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    for (const Parser* parser : parsers()) {
      parser->probe(stream, direction, 53);
      for (std::size_t split = 0; split <= splits; ++split) drive(*parser, stream, direction, split);
    }
    drive(kOpaqueParser, stream, direction, 0);
  }
  return 0;
}
