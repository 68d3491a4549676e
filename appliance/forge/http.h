// HTTP/1.1 messages as text. Private to the forge; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "appliance/forge/random.h"
#include "appliance/forge/scenario.h"

namespace hoptap::forge {

/// The first bytes of a message, and how many bytes it has in all: filler follows the head up to there.
struct MessageText {
  std::string head;
  std::uint64_t bytes = 0;
};

struct RequestText {
  std::string_view id;
  std::string_view header_lines;     ///< further ones, each with its line end
  std::uint64_t bytes = 0;           ///< wanted; a head may need more
  std::uint64_t response_bytes = 0;  ///< shows in the target
  bool has_body = false;             ///< even if it is small
};

/// GET, or POST when it is larger than a head should be.
MessageText make_request(const RequestText& request);
MessageText make_response(int status, std::string_view id, std::uint64_t bytes);

/// Header lines with fresh identifiers.
std::string make_header_ids(const std::vector<HeaderId>& kinds, Random& random);

}  // namespace hoptap::forge
