// Bodies of HTTP/1.1 that come in chunks (RFC 9112 section 7.1). Private to decode/l7/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {

inline constexpr std::uint64_t kBodyBytesMax = 1ULL << 60;  ///< of a body or chunk: more is no length but garbage

/// One step inside a chunked body: past a chunk, a trailer or the end (kEnd). `searched`: how many of the bytes have no
/// line end, as an earlier step found. `in_trailers`: the last chunk has passed; set when it does.
ParseStep parse_chunk(base::Bytes stream, std::size_t searched, bool& in_trailers);

}  // namespace hoptap::decode::l7
