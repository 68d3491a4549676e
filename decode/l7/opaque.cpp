// Any byte stream: whatever one side sends until the other side speaks is one message.
#include <algorithm>

#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {
namespace {

Probe probe(base::Bytes, Direction, std::uint16_t) { return Probe::kNo; }

ParseStep parse(base::Bytes stream, Direction direction, ParserState&, Message& out) {
  constexpr std::size_t kHeadBytesMax = 256;
  out.kind = direction == Direction::kToServer ? Kind::kRequest : Kind::kResponse;
  out.head_bytes = std::min(stream.size(), kHeadBytesMax);
  return {Step::kMessage, stream.size()};
}

std::size_t resync(base::Bytes, Direction, ParserState&) { return 0; }

}  // namespace

constinit const Parser kOpaqueParser{"opaque", Pairing::kTurn, false, probe, parse, resync};

}  // namespace hoptap::decode::l7
