// Which UDP ports are tunnels: one load for a port that is none. Built once; then any thread. Private to decode/ but
// for UdpTunnel.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace hoptap::decode {

enum class UdpTunnel : std::uint8_t { kNone, kVxlan, kVxlanGpe, kGeneve, kGtp, kL2tp, kTeredo };

class UdpPorts {
 public:
  void add(std::span<const std::uint16_t> ports, UdpTunnel tunnel) {
    for (const std::uint16_t port : ports) {
      set_[port >> 6] |= std::uint64_t{1} << (port & 63);
      known_.emplace_back(port, tunnel);
    }
  }

  /// What a datagram may be by its target port, or by its source port if the protocol answers from there.
  UdpTunnel find(std::uint16_t source_port, std::uint16_t target_port) const {
    if (!has(target_port) && !has(source_port)) [[likely]]
      return UdpTunnel::kNone;
    const UdpTunnel by_target = look_up(target_port);
    if (by_target != UdpTunnel::kNone) return by_target;
    const UdpTunnel by_source = look_up(source_port);
    return by_source == UdpTunnel::kL2tp || by_source == UdpTunnel::kTeredo ? by_source : UdpTunnel::kNone;
  }

 private:
  bool has(std::uint16_t port) const { return (set_[port >> 6] >> (port & 63) & 1) != 0; }
  UdpTunnel look_up(std::uint16_t port) const {
    for (const auto& [known, tunnel] : known_)
      if (known == port) return tunnel;
    return UdpTunnel::kNone;
  }

  std::array<std::uint64_t, 1024> set_{};
  std::vector<std::pair<std::uint16_t, UdpTunnel>> known_;  ///< first come, first served
};

}  // namespace hoptap::decode
