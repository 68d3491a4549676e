// What a packet was wrapped in: tunnels and the link layer, as plain values that packets and records share.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/address.h"

namespace hoptap::base {

enum class TunnelType : std::uint8_t { kVxlan, kIpInIp, kGre, kTeb, kErspan2 };

/// One layer of encapsulation, outermost first in TunnelStack.
struct Tunnel {
  TunnelType type{};
  std::uint32_t id = 0;  ///< VNI, GRE key, or ERSPAN session id; 0 when the type has none
  IpAddress source;      ///< of the outer IP header that carries this layer
  IpAddress target;

  bool operator==(const Tunnel&) const = default;
};

struct TunnelStack {
  static constexpr std::size_t kDepthMax = 4;
  std::array<Tunnel, kDepthMax> layers{};
  std::uint8_t depth = 0;

  std::span<const Tunnel> used() const { return std::span(layers).first(depth); }

  bool operator==(const TunnelStack&) const = default;
};

/// The innermost link layer that the packet has.
struct Link {
  static constexpr std::size_t kVlansMax = 2;
  MacAddress source;
  MacAddress target;
  std::array<std::uint16_t, kVlansMax> vlans{};  ///< VLAN ids (12 bits), outermost first
  std::uint8_t vlan_count = 0;                   ///< tags kept; a deeper stack keeps its first two
  std::uint32_t interface_index = 0;             ///< Linux cooked v2 only; else 0
};

}  // namespace hoptap::base
