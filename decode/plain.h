// The packets that most packets are: Ethernet with at most one VLAN tag, IPv4 without options or IPv6 without extension
// headers, whole, TCP without options or with the usual timestamps, or UDP; and the same in VXLAN. A short cut of what
// walk.h does, with the same result (decode_plain_test.cpp compares them): headers go to their fields by shuffles of 16
// bytes, about a quarter of the instructions (README.md has the numbers). For x86 with AVX (2011); others take the
// walk. Private to decode/.
#pragma once

#if defined(__x86_64__)

#include "decode/ip/extensions.h"
#include "decode/plain_bytes.h"
#include "decode/plain_ip.h"
#include "decode/plain_tcp.h"
#include "decode/plain_udp.h"

namespace hoptap::decode::plain {

/// The frame's addresses; no VLAN.
HOPTAP_PLAIN void write_link(const std::uint8_t* frame, Link& link) {
  static_assert(offsetof(Link, source) == 0 && offsetof(Link, target) == 6 && offsetof(Link, vlans) == 12);
  store(reinterpret_cast<std::uint8_t*>(&link),
        _mm_shuffle_epi8(load(frame), _mm_setr_epi8(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, k0, k0, k0, k0)));
  static_assert(offsetof(Link, vlan_count) == 16 && sizeof(Link) == 24);
  std::memset(reinterpret_cast<std::uint8_t*>(&link) + 16, 0, 8);  // no VLAN, no interface
}

/// Reads what a header of 20 bytes begins. Packets without a length are left to the walk.
HOPTAP_PLAIN Found read_ipv4(base::Bytes bytes, const UdpPorts& ports, Frame& frame, Decoded& out) {
  constexpr std::uint32_t kFragmentAndProtocol = wire(0x3fff00ff);
  const Slice packet = Slice{.bytes = bytes}.first(be16(bytes, 2));
  const std::uint32_t kind = word(bytes.data() + 6) & kFragmentAndProtocol;
  if (kind == wire(ip_protocol::kTcp)) [[likely]]
    return read_tcp<Ipv4>(packet, frame.depth, out);
  return kind == wire(ip_protocol::kUdp) ? read_udp<Ipv4>(packet, ports, frame, out) : Found::kOther;
}

HOPTAP_PLAIN Found read_ipv6(base::Bytes bytes, const UdpPorts& ports, Frame& frame, Decoded& out) {
  const Slice packet = Slice{.bytes = bytes}.first(Ipv6::kHeaderBytes + be16(bytes, 4));
  const std::uint8_t next_header = bytes[6];
  if (next_header == ip_protocol::kTcp) [[likely]]
    return read_tcp<Ipv6>(packet, frame.depth, out);
  return next_header == ip_protocol::kUdp ? read_udp<Ipv6>(packet, ports, frame, out) : Found::kOther;
}

HOPTAP_PLAIN Found read_frame(const UdpPorts& ports, Frame& frame, Decoded& out) {
  constexpr std::size_t kTypeAt = 12, kTagBytes = 4,
                        kSizeMin = kTypeAt + 2 + Ipv4::kHeaderBytes + UdpView::kHeaderBytes;
  constexpr std::uint32_t kIpv4 = wire(0x08004500), kIpv4Mask = wire(0xffffff00);  // type, version, header length
  constexpr std::uint32_t kIpv6 = wire(0x86dd6000), kIpv6Mask = wire(0xfffff000);  // type, version
  constexpr std::uint32_t kTag = wire(0x81000000), kTagMask = wire(0xffff0000);
  const base::Bytes bytes = frame.bytes;
  if (bytes.size() < kSizeMin) return Found::kOther;
  write_link(bytes.data(), out.link);
  if ((word(bytes.data() + kTypeAt) & kIpv4Mask) == kIpv4) [[likely]]
    return read_ipv4(bytes.subspan(kTypeAt + 2), ports, frame, out);
  std::size_t type_at = kTypeAt;
  if ((word(bytes.data() + kTypeAt) & kTagMask) == kTag) {
    if (bytes.size() < kSizeMin + kTagBytes) return Found::kOther;
    out.link.vlans[0] = be16(bytes, kTypeAt + 2) & 0x0fff;
    out.link.vlan_count = 1;
    type_at += kTagBytes;
    if ((word(bytes.data() + type_at) & kIpv4Mask) == kIpv4) {
      return read_ipv4(bytes.subspan(type_at + 2), ports, frame, out);
    }
  }
  if ((word(bytes.data() + type_at) & kIpv6Mask) != kIpv6) return Found::kOther;
  return read_ipv6(bytes.subspan(type_at + 2), ports, frame, out);
}

/// Reads a packet of an Ethernet link into all of `out` but its time; interface 0. Other than kTcp and kUdp: it is not
/// plain, and `out` is in disorder.
HOPTAP_PLAIN Found read_packet(base::Bytes packet, const UdpPorts& ports, Decoded& out) {
  Frame frame{.bytes = packet};
  Found found = read_frame(ports, frame, out);
  while (found == Found::kTunnel) [[unlikely]] found = read_frame(ports, frame, out);
  return found;
}

}  // namespace hoptap::decode::plain

#undef HOPTAP_PLAIN
#endif
