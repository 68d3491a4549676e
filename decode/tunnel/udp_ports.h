// Which UDP ports are tunnels: one load for a port that is none. Built once; then any thread. Private to decode/ but
// for UdpTunnel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hoptap::decode {

enum class UdpTunnel : std::uint8_t { kNone, kVxlan, kVxlanGpe, kGeneve, kGtp, kL2tp, kTeredo };

class UdpPorts {
 public:
  /// A port that was added before stays what it is.
  void add(std::span<const std::uint16_t> ports, UdpTunnel tunnel) {
    for (const std::uint16_t port : ports) {
      const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
      const std::uint32_t number = as_it_lies(bytes.data());
      set_[number >> 6] |= std::uint64_t{1} << (number & 63);
      if (tunnels_[port] == UdpTunnel::kNone) tunnels_[port] = tunnel;
    }
  }

  /// What a datagram may be by its target port, or by its source port if the protocol answers from there. `header`: at
  /// least the 4 bytes of its ports.
  UdpTunnel find(const std::uint8_t* header) const {
    if (!has(header) && !has(header + 2)) [[likely]]
      return UdpTunnel::kNone;
    const UdpTunnel by_source = tunnels_[number_of(header)], by_target = tunnels_[number_of(header + 2)];
    if (by_target != UdpTunnel::kNone) return by_target;
    return by_source == UdpTunnel::kL2tp || by_source == UdpTunnel::kTeredo ? by_source : UdpTunnel::kNone;
  }

 private:
  static std::size_t number_of(const std::uint8_t* port) { return std::size_t{port[0]} << 8 | port[1]; }
  static std::uint32_t as_it_lies(const std::uint8_t* port) {
    std::uint16_t number;
    std::memcpy(&number, port, sizeof number);
    return number;
  }
  bool has(const std::uint8_t* port) const {
    const std::uint32_t number = as_it_lies(port);
    return (set_[number >> 6] >> (number & 63) & 1) != 0;
  }

  std::array<std::uint64_t, 1024> set_{};   ///< by the port as it lies: few cache lines, no swapping
  std::array<UdpTunnel, 65536> tunnels_{};  ///< by the port; looked at only for those in the set
};

}  // namespace hoptap::decode
