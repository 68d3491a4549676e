// The rest of a packet at some layer: what was captured of it and how long it was. Private to decode/.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"

namespace hoptap::decode {

/// Big-endian integers at a place known to be there: one load and a byte swap.
inline std::uint16_t be16(base::Bytes bytes, std::size_t at) {
  assert(at + 2 <= bytes.size());
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline std::uint32_t be32(base::Bytes bytes, std::size_t at) {
  assert(at + 4 <= bytes.size());
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

/// Addresses at a place known to be there: one or two loads, no calls.
inline base::MacAddress mac_at(base::Bytes bytes, std::size_t at) {
  base::MacAddress mac;
  assert(at + mac.bytes.size() <= bytes.size());
  std::memcpy(mac.bytes.data(), bytes.data() + at, mac.bytes.size());
  return mac;
}
inline base::IpAddress ipv4_at(base::Bytes bytes, std::size_t at) {
  constexpr std::size_t kIpv4Bytes = 4, kMappedAt = 12;
  assert(at + kIpv4Bytes <= bytes.size());
  base::IpAddress address;
  address.bytes[10] = address.bytes[11] = 0xff;  // ::ffff:a.b.c.d
  std::memcpy(address.bytes.data() + kMappedAt, bytes.data() + at, kIpv4Bytes);
  return address;
}
inline base::IpAddress ipv6_at(base::Bytes bytes, std::size_t at) {
  base::IpAddress address;
  assert(at + address.bytes.size() <= bytes.size());
  std::memcpy(address.bytes.data(), bytes.data() + at, address.bytes.size());
  return address;
}

/// Bytes from some layer on. `wire_bytes` is at least bytes.size(); it is more when the capture cut the packet.
struct Slice {
  base::Bytes bytes;
  std::size_t wire_bytes = 0;

  /// What follows the first `count` bytes; needs has(count).
  Slice behind(std::size_t count) const {
    assert(has(count));
    return {.bytes = bytes.subspan(count), .wire_bytes = wire_bytes - count};
  }

  /// What follows the first `count` bytes, captured or not.
  Slice after(std::size_t count) const {
    return {.bytes = bytes.subspan(std::min(count, bytes.size())),
            .wire_bytes = wire_bytes - std::min(count, wire_bytes)};
  }

  /// The first `count` bytes on the wire; `count` may be more than the enclosing layer had room for
  /// (a mirror cut the packet), and is believed.
  Slice first(std::size_t count) const {
    return {.bytes = bytes.first(std::min(count, bytes.size())), .wire_bytes = count};
  }

  bool has(std::size_t count) const { return bytes.size() >= count; }

  /// Why `count` bytes are not there: the capture cut them off, or the packet never had them.
  base::Error missing(std::size_t count) const {
    return wire_bytes >= count ? base::Error::kTruncated : base::Error::kBadLength;
  }
};

}  // namespace hoptap::decode
