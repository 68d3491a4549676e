// IP and MAC addresses as values: comparable, hashable, printable.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hoptap::base {

/// An IPv4 or IPv6 address in 16 bytes; IPv4 is held as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  /// From 4 or 16 network-order bytes; anything else gives the all-zero address.
  static IpAddress from(Bytes network_order);

  /// "10.0.0.1", "2001:db8::1"; nothing of anything else.
  static std::optional<IpAddress> from_text(std::string_view text);

  bool is_v4() const;
  std::string text() const;  ///< "10.0.0.1" or RFC 5952 IPv6

  auto operator<=>(const IpAddress&) const = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  static MacAddress from(Bytes network_order);
  std::string text() const;  ///< "02:00:00:00:00:01"

  auto operator<=>(const MacAddress&) const = default;
};

/// An address and a port: "10.0.0.1:80", "[2001:db8::1]:80".
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  std::string text() const;

  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace hoptap::base
