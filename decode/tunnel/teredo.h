// Teredo: IPv6 in UDP (RFC 4380 section 5.1.1). Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// Steps over Teredo's authentication and origin indications. `payload` is that of a UDP datagram. kBadVersion: what
/// follows them is not IPv6.
[[nodiscard]] inline base::Result<Slice> read_teredo(Slice payload) {
  constexpr std::uint16_t kOrigin = 0, kAuthentication = 1;
  constexpr std::size_t kOriginBytes = 8, kAuthenticationBytes = 13;
  if (!payload.has(4)) return tl::unexpected(payload.missing(4));
  if (be16(payload.bytes, 0) == kAuthentication) {
    const std::size_t bytes = kAuthenticationBytes + payload.bytes[2] + payload.bytes[3];  // with both lengths
    if (!payload.has(bytes + 2)) return tl::unexpected(payload.missing(bytes + 2));
    payload = payload.behind(bytes);
  }
  if (be16(payload.bytes, 0) == kOrigin) {
    if (!payload.has(kOriginBytes + 1)) return tl::unexpected(payload.missing(kOriginBytes + 1));
    payload = payload.behind(kOriginBytes);
  }
  if (payload.bytes[0] >> 4 != 6) return tl::unexpected(base::Error::kBadVersion);
  return payload;
}

}  // namespace hoptap::decode
