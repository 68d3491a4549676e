// MPLS label stacks (RFC 3032) and what they carry. Private to decode/.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "decode/link.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// What lies behind a label stack: `type` is kIpv4, kIpv6, kBridged for an Ethernet pseudowire, or 0.
struct MplsPayload {
  std::uint32_t label = 0;  ///< the bottom one: the VPN's or pseudowire's, which routers on the way do not swap
  NetworkPacket inside;
};

/// Reads the stack and guesses what it carries, since no field says so: IP by explicit null labels (RFC 3032 section
/// 2.1) or the version (RFC 4928 section 3), else an Ethernet frame, with a control word (RFC 4385 section 3) or not.
/// kUnsupported: more labels than are followed.
[[nodiscard]] base::Result<MplsPayload> read_mpls(Slice packet);

}  // namespace hoptap::decode
