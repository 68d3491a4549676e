// What a packet was wrapped in: tunnels and the link layer, as plain values that packets and records share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/address.h"

namespace hoptap::base {

/// The numbers go over the wire and into files: add at the end only.
enum class TunnelType : std::uint8_t {
  kVxlan,
  kIpInIp,
  kGre,
  kTeb,  ///< GRE with an Ethernet frame (NVGRE too)
  kErspan2,
  kErspan1,
  kErspan3,
  kVxlanGpe,
  kNsh,
  kGeneve,
  kGtp,
  kL2tp,
  kMpls,
  kPppoe,
  kTeredo,
  kPbb,
};
inline constexpr std::uint8_t kTunnelTypeCount = 16;

/// One layer of encapsulation, outermost first in TunnelStack.
struct Tunnel {
  TunnelType type{};
  /// VNI, GRE key, ERSPAN session, NSH service path, TEID, L2TP tunnel << 16 | session, bottom MPLS label, PPPoE
  /// session, PBB I-SID; 0 when the type has none.
  std::uint32_t id = 0;
  IpAddress source;  ///< of the nearest IP header around this layer; zero when there is none
  IpAddress target;

  bool operator==(const Tunnel&) const = default;
};

/// Layers from `depth` on mean nothing: whoever reuses a stack need not clear them.
struct TunnelStack {
  static constexpr std::size_t kDepthMax = 4;
  std::array<Tunnel, kDepthMax> layers{};
  std::uint8_t depth = 0;

  std::span<const Tunnel> used() const { return std::span(layers).first(depth); }

  bool operator==(const TunnelStack& other) const {
    return std::equal(used().begin(), used().end(), other.used().begin(), other.used().end());
  }
};

/// The innermost link layer that the packet has.
struct Link {
  static constexpr std::size_t kVlansMax = 2;
  MacAddress source;
  MacAddress target;
  std::array<std::uint16_t, kVlansMax> vlans{};  ///< VLAN ids (12 bits), outermost first
  std::uint32_t vlan_count = 0;                  ///< tags kept; a deeper stack keeps its first two
  std::uint32_t interface_index = 0;             ///< Linux cooked v2 only; else 0
};

}  // namespace hoptap::base
