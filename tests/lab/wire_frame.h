// What a frame on the wire is: the identity of its innermost packet, read by a decoder of the wire's own.
// Borrows the frame's bytes only during the call. Any bytes may come; what is cut short stays zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hoptap::lab {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kUdpBytes = 8, kVxlanBytes = 8;
constexpr std::size_t kTunnelDepthMax = 4;

/// Identity of the innermost packet of a frame; zeros and dashes where it has no such field.
struct Identity {
  const char* tunnel = "none";      // of the innermost tunnel: none, vxlan, ipip
  const char* transport = "other";  // tcp, udp, dns, other
  std::uint32_t source_address = 0, target_address = 0;
  std::uint16_t source_port = 0, target_port = 0;
  std::uint16_t ip_id = 0, dns_id = 0;
  std::uint32_t sequence = 0, ack = 0;
  std::uint32_t payload_bytes = 0;
  std::uint8_t tcp_flags = 0;
  std::array<char, 40> label{};  // the request's own id, when it is in this frame
};

/// Big-endian integer of `count` bytes at `at`; 0 when the bytes are not there.
std::uint32_t load(Bytes bytes, std::size_t at, std::size_t count);

/// True for Linux's own VXLAN port and the assigned one.
constexpr bool is_vxlan(std::uint32_t target_port) { return target_port == 8472 || target_port == 4789; }

/// Makes `text`, or as much of it as fits, the identity's label.
void set_label(Identity& identity, std::string_view text);

/// The innermost packet of an Ethernet frame.
Identity identify(Bytes frame);

}  // namespace hoptap::lab
