// ICMP (RFC 792) and ICMPv6 (RFC 4443) headers, and the packet that an error quotes. Private to decode/.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "decode/decoded.h"
#include "decode/slice.h"

namespace hoptap::decode {

inline constexpr std::size_t kIcmpHeaderBytes = 8;

/// Reads type and code, and of an error the tuple of what it quotes, as far as that was captured. `ipv6` tells the two
/// protocols apart. What the quoted packet carries is not looked into: no tunnels.
[[nodiscard]] base::Result<Icmp> read_icmp(const Slice& message, bool ipv6);

}  // namespace hoptap::decode
