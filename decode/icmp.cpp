#include "decode/icmp.h"

#include "decode/ip/extensions.h"
#include "decode/ip/ipv4_view.h"
#include "decode/ip/ipv6_view.h"

namespace hoptap::decode {
namespace {

using base::Result;

bool is_error(std::uint8_t type, bool ipv6) {
  if (ipv6) return type < 128;  // RFC 4443 section 2.1
  switch (type) {
    case 3:                // destination unreachable
    case 4:                // source quench
    case 5:                // redirect
    case 11:               // time exceeded
    case 12: return true;  // parameter problem
    default: return false;
  }
}

void quote_ports(const Slice& slice, Quoted& quoted) {
  const bool has_ports = quoted.protocol == ip_protocol::kTcp || quoted.protocol == ip_protocol::kUdp;
  if (!has_ports || !slice.has(4)) return;
  quoted.source.port = be16(slice.bytes, 0);
  quoted.target.port = be16(slice.bytes, 2);
}

Quoted quote_ipv4(const Slice& packet) {
  Quoted quoted;
  const Result<Ipv4View> ip = Ipv4View::parse(packet);
  if (!ip) return quoted;
  quoted.source.address = ip->source();
  quoted.target.address = ip->target();
  quoted.protocol = ip->protocol();
  quoted.valid = true;
  if (ip->fragment_offset() == 0) quote_ports(ip->payload(), quoted);
  return quoted;
}

Quoted quote_ipv6(const Slice& packet) {
  Quoted quoted;
  const Result<Ipv6View> ip = Ipv6View::parse(packet);
  if (!ip) return quoted;
  quoted.source.address = ip->source();
  quoted.target.address = ip->target();
  quoted.protocol = ip->next_header();
  quoted.valid = true;
  const Result<TransportPacket> transport = read_extensions(ip->next_header(), ip->payload());
  if (!transport) return quoted;
  quoted.protocol = transport->protocol;
  if (transport->fragment_offset == 0) quote_ports(transport->slice, quoted);
  return quoted;
}

}  // namespace

Result<Icmp> read_icmp(const Slice& message, bool ipv6) {
  constexpr std::size_t kNeeded = 2;
  if (!message.has(kNeeded)) return tl::unexpected(message.missing(kNeeded));
  Icmp icmp{.type = message.bytes[0], .code = message.bytes[1], .quoted = {}};
  if (is_error(icmp.type, ipv6) && message.has(kIcmpHeaderBytes)) {
    const Slice inside = message.behind(kIcmpHeaderBytes);
    icmp.quoted = ipv6 ? quote_ipv6(inside) : quote_ipv4(inside);
  }
  return icmp;
}

}  // namespace hoptap::decode
