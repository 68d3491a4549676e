// What the decode stage knows of one packet: link, tunnels, innermost IP, and TCP or UDP.
// Borrows the packet's bytes: gone when the batch is released.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.h"
#include "base/bytes.h"
#include "base/encapsulation.h"

namespace hoptap::decode {

using base::Link;
using base::Tunnel;
using base::TunnelStack;
using base::TunnelType;

/// Where decoding ended. Exactly one per packet, counted by the decoder.
enum class Outcome : std::uint8_t {
  kTcp,
  kUdp,
  kOtherIp,      ///< IP, but neither TCP nor UDP (ICMP, ESP, SCTP, ...)
  kFragment,     ///< a fragment of an IP packet other than a whole one
  kNotIp,        ///< ARP, LLDP, ...
  kUnsupported,  ///< a link type or tunnel nesting that is not decoded
  kTruncated,    ///< the capture cut the packet inside a header
  kMalformed,    ///< lengths or versions that contradict each other
};
inline constexpr std::size_t kOutcomeCount = 8;
std::string_view outcome_name(Outcome outcome);  ///< "tcp", "other_ip", ... (counter label)

namespace tcp_flag {
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20;
inline constexpr std::uint8_t kEce = 0x40, kCwr = 0x80;  ///< RFC 3168 section 6.1
}  // namespace tcp_flag

/// The TCP header (RFC 9293 section 3.1) with the options that matter (RFC 7323, RFC 2018).
struct Tcp {
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::uint16_t window = 0;  ///< as on the wire, not scaled
  std::uint16_t mss = 0;     ///< 0: option absent
  std::uint8_t flags = 0;
  std::uint8_t window_scale = 0;
  std::uint8_t sack_blocks = 0;
  bool has_timestamps = false;
  bool has_window_scale = false;
  bool sack_permitted = false;
  base::Bytes options;  ///< as on the wire, for the fingerprint

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

/// One decoded packet. Fields beyond `outcome` are set as far as decoding came.
struct Decoded {
  std::uint64_t time_ns = 0;
  Outcome outcome = Outcome::kNotIp;
  std::uint16_t interface_id = 0;
  base::Endpoint source;  ///< innermost IP; ports 0 unless TCP or UDP
  base::Endpoint target;
  std::uint8_t protocol = 0;  ///< IP protocol number of the innermost header after extensions
  std::uint8_t ttl = 0;       ///< or IPv6 hop limit
  std::uint8_t traffic_class = 0;
  std::uint16_t ip_id = 0;               ///< IPv4 identification; 0 for IPv6
  Tcp tcp;                               ///< when outcome is kTcp
  base::Bytes payload;                   ///< captured L4 payload
  std::uint32_t ip_bytes = 0;            ///< length of the innermost IP packet on the wire, header included
  std::uint32_t payload_wire_bytes = 0;  ///< its length on the wire; more than payload.size() when cut
  Link link;
  TunnelStack tunnels;
};

}  // namespace hoptap::decode
