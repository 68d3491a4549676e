// Decodes one packet, for tests.
#pragma once

#include <array>

#include "decode/decoder.h"
#include "tests/unit/packet_builder.h"

namespace hoptap::test {

/// A decoded packet with the bytes that it borrows.
struct OneDecoded {
  Buffer frame;
  decode::Decoded decoded;

  const decode::Decoded* operator->() const { return &decoded; }
};

/// Not for fragments: what they are put together to is the decoder's and gone with it. `wire_bytes` 0: as long on the
/// wire as captured. The outcome must be what the decoder counts.
inline OneDecoded decode_one(Buffer frame, capture::LinkType link_type = 1, std::uint32_t wire_bytes = 0,
                             const decode::DecodeConfig& config = {}) {
  OneDecoded one{.frame = std::move(frame), .decoded = {}};
  const std::array<capture::Packet, 1> packets{packet_of(one.frame, 0, wire_bytes)};
  const std::array<capture::Interface, 1> interfaces{capture::Interface{.link_type = link_type}};
  decode::Decoder decoder(config);
  decoder.decode(packets, interfaces, std::span(&one.decoded, 1));
  return one;
}

}  // namespace hoptap::test
