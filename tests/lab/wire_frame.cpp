#include "tests/lab/wire_frame.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include <algorithm>

namespace hoptap::lab {
namespace {

constexpr std::uint16_t kDnsPort = 53, kDnsNodePort = 30053;  // the lab's NodePort leads to the same server

Bytes after(Bytes bytes, std::size_t count) { return count <= bytes.size() ? bytes.subspan(count) : Bytes{}; }

/// HTTP: the value of `id=` in the request line. Only the start of a payload is searched.
void find_http_label(Identity& identity, Bytes payload) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()),
                              std::min<std::size_t>(payload.size(), 256));
  const std::size_t line_end = std::min(text.find("\r\n"), text.size());
  const std::size_t http = text.substr(0, line_end).find(" HTTP/1.");
  const std::size_t at = text.substr(0, line_end).find("id=");
  if (at == std::string_view::npos || http == std::string_view::npos || at > http) return;
  const std::size_t start = at + 3;
  set_label(identity, text.substr(start, text.find_first_of(" &", start) - start));
}

/// DNS: the first label of the first question (RFC 1035 section 4.1). `message` starts at the header.
void find_dns_label(Identity& identity, Bytes message) {
  constexpr std::size_t kHeaderBytes = 12;
  const std::size_t count = load(message, kHeaderBytes, 1);
  identity.dns_id = static_cast<std::uint16_t>(load(message, 0, 2));
  if (count == 0 || count > 63 || kHeaderBytes + 1 + count > message.size()) return;
  set_label(identity, {reinterpret_cast<const char*>(message.data()) + kHeaderBytes + 1, count});
}

bool is_dns(const Identity& identity) {
  const auto matches = [](std::uint16_t port) { return port == kDnsPort || port == kDnsNodePort; };
  return matches(identity.source_port) || matches(identity.target_port);
}

void identify_tcp(Identity& identity, Bytes segment) {
  const std::size_t header_bytes = load(segment, 12, 1) >> 4 << 2;
  if (segment.size() < 20 || header_bytes < 20) return;
  identity.transport = "tcp";
  identity.source_port = static_cast<std::uint16_t>(load(segment, 0, 2));
  identity.target_port = static_cast<std::uint16_t>(load(segment, 2, 2));
  identity.sequence = load(segment, 4, 4);
  identity.ack = load(segment, 8, 4);
  identity.tcp_flags = segment[13];
  const Bytes payload = after(segment, header_bytes);
  identity.payload_bytes = static_cast<std::uint32_t>(payload.size());
  constexpr std::size_t kLengthPrefixBytes = 2;  // DNS over TCP, RFC 1035 section 4.2.2
  if (is_dns(identity)) {
    if (!payload.empty()) find_dns_label(identity, after(payload, kLengthPrefixBytes));
  } else {
    find_http_label(identity, payload);
  }
}

void identify_ethernet(Identity& identity, Bytes frame, std::size_t depth);

void identify_udp(Identity& identity, Bytes datagram, std::size_t depth) {
  const Bytes payload = after(datagram, kUdpBytes);
  const std::uint32_t target_port = load(datagram, 2, 2);
  if (is_vxlan(target_port)) {
    identity = {.tunnel = "vxlan"};
    identify_ethernet(identity, after(payload, kVxlanBytes), depth + 1);
    return;
  }
  identity.transport = "udp";
  identity.source_port = static_cast<std::uint16_t>(load(datagram, 0, 2));
  identity.target_port = static_cast<std::uint16_t>(target_port);
  identity.payload_bytes = static_cast<std::uint32_t>(payload.size());
  if (is_dns(identity)) {
    identity.transport = "dns";
    find_dns_label(identity, payload);
  }
}

void identify_ipv4(Identity& identity, Bytes packet, std::size_t depth) {
  const std::size_t header_bytes = (load(packet, 0, 1) & 0x0fu) * 4u;
  const std::size_t total_bytes = load(packet, 2, 2);
  if (packet.size() < 20 || packet[0] >> 4 != 4 || header_bytes < 20) return;
  if (total_bytes < header_bytes || total_bytes > packet.size() || depth > kTunnelDepthMax) return;
  const Bytes payload = packet.subspan(header_bytes, total_bytes - header_bytes);
  if (packet[9] == IPPROTO_IPIP) {
    identity = {.tunnel = "ipip"};
    identify_ipv4(identity, payload, depth + 1);
    return;
  }
  identity.ip_id = static_cast<std::uint16_t>(load(packet, 4, 2));
  identity.source_address = load(packet, 12, 4);
  identity.target_address = load(packet, 16, 4);
  if (packet[9] == IPPROTO_TCP) identify_tcp(identity, payload);
  if (packet[9] == IPPROTO_UDP) identify_udp(identity, payload, depth);
}

void identify_ethernet(Identity& identity, Bytes frame, std::size_t depth) {
  if (load(frame, 12, 2) == ETHERTYPE_IP) identify_ipv4(identity, after(frame, kEthernetBytes), depth);
}

}  // namespace

std::uint32_t load(Bytes bytes, std::size_t at, std::size_t count) {
  if (at + count > bytes.size()) return 0;
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes.subspan(at, count)) value = value << 8 | byte;
  return value;
}

void set_label(Identity& identity, std::string_view text) {
  identity.label = {};
  const std::size_t count = std::min(text.size(), identity.label.size() - 1);
  std::copy_n(text.begin(), count, identity.label.begin());
}

Identity identify(Bytes frame) {
  Identity identity;
  identify_ethernet(identity, frame, 0);
  return identity;
}

}  // namespace hoptap::lab
