// What the decode stage knows of one packet: link, tunnels, innermost IP, and TCP, UDP or ICMP.
// Borrows the packet's bytes, or the decoder's when it put the packet together from fragments: gone when the batch is
// released.
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
  kIcmp,         ///< ICMP or ICMPv6
  kOtherIp,      ///< IP, but none of these (ESP, SCTP, OSPF, ...)
  kFragment,     ///< a fragment of an IP packet that it does not complete
  kNotIp,        ///< ARP, LLDP, ...
  kUnsupported,  ///< a link type or tunnel nesting that is not decoded
  kTruncated,    ///< the capture cut the packet inside a header
  kMalformed,    ///< lengths or versions that contradict each other
};
inline constexpr std::size_t kOutcomeCount = 9;
std::string_view outcome_name(Outcome outcome);  ///< "tcp", "other_ip", ... (counter label)

namespace tcp_flag {
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20;
inline constexpr std::uint8_t kEce = 0x40, kCwr = 0x80;  ///< RFC 3168 section 6.1
}  // namespace tcp_flag

/// The TCP header (RFC 9293 section 3.1) with the options that matter (RFC 7323, RFC 2018). plain.h knows the order of
/// the fields.
struct Tcp {
  std::uint32_t tsval = 0;  ///< 0 and 0 without timestamps
  std::uint32_t tsecr = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint16_t window = 0;  ///< as on the wire, not scaled
  std::uint16_t mss = 0;     ///< 0: option absent
  std::uint8_t flags = 0;
  std::uint8_t window_scale = 0;
  std::uint8_t sack_blocks = 0;
  bool has_window_scale = false;
  /// Edges of the first SACK block; 0 without one. At or below the acknowledgment, or within the second block: it tells
  /// of a duplicate (RFC 2883 section 4).
  std::uint32_t sack_left = 0;
  std::uint32_t sack_right = 0;
  bool has_timestamps = false;
  bool sack_permitted = false;
  base::Bytes options;  ///< as on the wire, for the fingerprint

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

/// The packet that an ICMP error is about, as far as the error quotes it (RFC 792, RFC 4443 section 3).
struct Quoted {
  base::Endpoint source;  ///< ports 0 unless TCP or UDP
  base::Endpoint target;
  std::uint8_t protocol = 0;
  bool valid = false;  ///< an error that quotes an IP header
};

struct Icmp {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  Quoted quoted;
};

/// What the unit of a mirror's timestamp is (draft-foschiano-erspan section 4.3, "Gra").
enum class Granularity : std::uint8_t { kHundredMicroseconds, kHundredNanoseconds, kNanoseconds, kUser };

/// What the switch that mirrored the packet says of it: ERSPAN, draft-foschiano-erspan-03 section 4; the outermost one.
struct Mirror {
  /// 1, 2 or 3 of ERSPAN I, II, III. 0: none, and nothing else here means anything, but that the outermost plain GRE
  /// header, if a tunnel layer is one, has a sequence number.
  std::uint8_t type = 0;
  bool has_sequence = false;
  bool egress = false;                                          ///< type III: seen as it left the port, else as it came
  bool truncated = false;                                       ///< the switch cut the frame
  bool has_timestamp = false;                                   ///< type III
  bool timestamp_wide = false;                                  ///< timestamp_high counts
  bool has_seconds = false;                                     ///< timestamp_high is seconds, `timestamp` the rest
  Granularity granularity = Granularity::kHundredMicroseconds;  ///< unit of `timestamp`
  std::uint16_t session_id = 0;                                 ///< 10 bits
  std::uint16_t vlan = 0;                                       ///< of the frame when it was mirrored; 0: none
  std::uint16_t hardware_id = 0;                                ///< type III: the engine that mirrored
  std::uint32_t sequence = 0;                                   ///< GRE's, per session: gaps are lost mirror packets
  std::uint32_t port = 0;                                       ///< type II: index; type III: port, when given
  std::uint32_t timestamp = 0;
  std::uint32_t timestamp_high = 0;  ///< with has_seconds (platforms 5 and 6) these; else the upper 32 bits
};

/// One decoded packet. What a field means depends on the outcome: IP fields as far as decoding came, `tcp` with kTcp,
/// `icmp` with kIcmp, `mirror` if its type is not 0. `icmp` and `mirror` hold anything otherwise. plain.h knows the
/// order of the fields.
struct Decoded {
  // From here to the traffic class, 64 bytes without padding: what the packets of a flow that go one way have in
  // common.
  Link link;
  base::Endpoint source;  ///< innermost IP; ports 0 unless TCP or UDP
  base::Endpoint target;
  std::uint8_t ttl = 0;       ///< or IPv6 hop limit
  std::uint8_t protocol = 0;  ///< IP protocol number of the innermost header after extensions
  Outcome outcome = Outcome::kNotIp;
  std::uint8_t traffic_class = 0;

  std::uint16_t ip_id = 0;  ///< IPv4 identification; 0 for IPv6
  std::uint16_t interface_id = 0;
  std::uint32_t ip_bytes = 0;            ///< length of the innermost IP packet on the wire, header included
  std::uint32_t payload_wire_bytes = 0;  ///< length of `payload` on the wire; more than payload.size() when cut
  std::uint16_t reserved = 0;            ///< not used
  std::uint16_t l4_checksum = 0;         ///< TCP's or UDP's, as on the wire
  Tcp tcp;                               ///< when outcome is kTcp
  std::uint64_t time_ns = 0;
  base::Bytes payload;  ///< captured L4 payload; with kIcmp what follows the first 8 bytes
  TunnelStack tunnels;
  Mirror mirror;
  Icmp icmp;  ///< when outcome is kIcmp
};

}  // namespace hoptap::decode
