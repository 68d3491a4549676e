// Packets made in code, for tests: each function puts one layer around a payload, so that
//   ethernet({}, ipv4({}, tcp({.flags = kAck}, text("GET / HTTP/1.1\r\n"))))
// is a frame. Checksums are 0: nothing here looks at them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "capture/packet.h"

namespace hoptap::test {

using Buffer = std::vector<std::uint8_t>;

/// Appends integers in network byte order.
class Writer {
 public:
  Writer& u8(std::uint64_t value) { return put(value, 1); }
  Writer& u16(std::uint64_t value) { return put(value, 2); }
  Writer& u24(std::uint64_t value) { return put(value, 3); }
  Writer& u32(std::uint64_t value) { return put(value, 4); }
  Writer& u48(std::uint64_t value) { return put(value, 6); }
  Writer& u64(std::uint64_t value) { return put(value, 8); }
  Writer& add(base::Bytes bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& fill(std::size_t count, std::uint8_t byte = 0) {
    buffer_.insert(buffer_.end(), count, byte);
    return *this;
  }
  Buffer take() { return std::move(buffer_); }
  std::size_t size() const { return buffer_.size(); }

 private:
  Writer& put(std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
      buffer_.push_back(static_cast<std::uint8_t>(value >> shift));
    return *this;
  }

  Buffer buffer_;
};

inline Buffer text(std::string_view text) { return {text.begin(), text.end()}; }

// ---- link layers ----

struct VlanTag {
  std::uint16_t id = 1;
  std::uint16_t type = 0x8100;
};

struct EthernetFields {
  std::uint64_t target = 0x020000000002;
  std::uint64_t source = 0x020000000001;
  std::vector<VlanTag> vlans{};         ///< outermost first
  std::optional<std::uint16_t> type{};  ///< by the payload's IP version unless given
  std::size_t padding = 0;              ///< zero bytes behind the payload
};

/// 0x0800 or 0x86dd.
inline std::uint16_t ether_type_of(const Buffer& ip) { return !ip.empty() && ip[0] >> 4 == 6 ? 0x86dd : 0x0800; }

inline Buffer ethernet(const EthernetFields& fields, const Buffer& payload) {
  Writer out;
  out.u48(fields.target).u48(fields.source);
  for (const VlanTag& tag : fields.vlans) out.u16(tag.type).u16(tag.id);
  return out.u16(fields.type.value_or(ether_type_of(payload))).add(payload).fill(fields.padding).take();
}

/// Linux cooked v1, LINKTYPE_LINUX_SLL (113).
inline Buffer cooked(const Buffer& payload, std::uint16_t protocol, std::uint64_t source = 0x020000000001) {
  return Writer().u16(0).u16(1).u16(6).u48(source).u16(0).u16(protocol).add(payload).take();
}

/// Linux cooked v2, LINKTYPE_LINUX_SLL2 (276).
inline Buffer cooked2(const Buffer& payload, std::uint16_t protocol, std::uint32_t interface_index,
                      std::uint64_t source = 0x020000000001) {
  return Writer().u16(protocol).u16(0).u32(interface_index).u16(1).u8(0).u8(6).u48(source).u16(0).add(payload).take();
}

// ---- IP ----

struct Ipv4Fields {
  std::uint32_t source = 0x0a000001;  ///< 10.0.0.1
  std::uint32_t target = 0x0a000002;  ///< 10.0.0.2
  std::uint8_t protocol = 6;
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;
  std::uint16_t id = 1;
  std::uint16_t fragment = 0x4000;  ///< flags (3 bits) and offset in 8 bytes; don't fragment
  Buffer options{};                 ///< a multiple of 4 bytes
  std::optional<std::uint16_t> total_bytes{};
};

inline Buffer ipv4(const Ipv4Fields& fields, const Buffer& payload) {
  const std::size_t header_bytes = 20 + fields.options.size();
  Writer out;
  out.u8(0x40 | header_bytes / 4).u8(fields.traffic_class);
  out.u16(fields.total_bytes.value_or(static_cast<std::uint16_t>(header_bytes + payload.size())));
  out.u16(fields.id).u16(fields.fragment).u8(fields.ttl).u8(fields.protocol).u16(0);
  return out.u32(fields.source).u32(fields.target).add(fields.options).add(payload).take();
}

struct Ipv6Fields {
  std::uint64_t source = 1;  ///< last 8 bytes; the first are 2001:db8::
  std::uint64_t target = 2;
  std::uint8_t next_header = 6;
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  std::optional<std::uint16_t> payload_bytes{};
};

/// An IPv4 packet in fragments, the first of which end at `cuts` (bytes of the payload, multiples of 8).
inline std::vector<Buffer> ipv4_fragments(const Ipv4Fields& fields, const Buffer& payload,
                                          std::vector<std::size_t> cuts) {
  std::vector<Buffer> fragments;
  cuts.push_back(payload.size());
  std::size_t from = 0;
  for (const std::size_t to : cuts) {
    Ipv4Fields part = fields;
    part.fragment = static_cast<std::uint16_t>((to < payload.size() ? 0x2000u : 0) | from / 8);
    fragments.push_back(ipv4(part, Buffer(payload.begin() + static_cast<std::ptrdiff_t>(from),
                                          payload.begin() + static_cast<std::ptrdiff_t>(to))));
    from = to;
  }
  return fragments;
}

inline Buffer ipv6(const Ipv6Fields& fields, const Buffer& payload) {
  constexpr std::uint64_t kDocumentation = 0x20010db800000000;
  Writer out;
  out.u32(6u << 28 | std::uint32_t{fields.traffic_class} << 20);
  out.u16(fields.payload_bytes.value_or(static_cast<std::uint16_t>(payload.size())));
  out.u8(fields.next_header).u8(fields.hop_limit);
  out.u64(kDocumentation).u64(fields.source).u64(kDocumentation).u64(fields.target);
  return out.add(payload).take();
}

/// An IPv6 hop-by-hop, routing or destination header of 8 * (1 + extra) bytes.
inline Buffer extension(std::uint8_t next_header, const Buffer& payload, std::uint8_t extra = 0) {
  return Writer().u8(next_header).u8(extra).fill(6u + 8u * extra).add(payload).take();
}

/// An IPv6 fragment header; `offset` in bytes.
inline Buffer fragment(std::uint8_t next_header, std::uint16_t offset, bool more, const Buffer& payload) {
  return Writer().u8(next_header).u8(0).u16(offset | (more ? 1u : 0u)).u32(7).add(payload).take();
}

/// An authentication header with a 12-byte check value.
inline Buffer authentication(std::uint8_t next_header, const Buffer& payload) {
  return Writer().u8(next_header).u8(4).u16(0).u32(0x100).u32(1).fill(12).add(payload).take();
}

// ---- transport ----

inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;

struct TcpFields {
  std::uint16_t source_port = 40000;
  std::uint16_t target_port = 80;
  std::uint32_t sequence = 1000;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = kAck;
  std::uint16_t window = 65535;
  Buffer options{};                            ///< filled up to a multiple of 4 bytes
  std::optional<std::uint8_t> header_words{};  ///< data offset, unless the true one
};

inline Buffer tcp(const TcpFields& fields, const Buffer& payload = {}) {
  const std::size_t options_bytes = (fields.options.size() + 3) / 4 * 4;
  Writer out;
  out.u16(fields.source_port).u16(fields.target_port).u32(fields.sequence).u32(fields.acknowledgment);
  out.u8(std::uint64_t{fields.header_words.value_or(static_cast<std::uint8_t>(5 + options_bytes / 4))} << 4);
  out.u8(fields.flags).u16(fields.window).u16(0).u16(0);
  return out.add(fields.options).fill(options_bytes - fields.options.size()).add(payload).take();
}

/// TCP options as a client sends them with its SYN, or timestamps alone as on every later segment.
inline Buffer mss_option(std::uint16_t mss) { return Writer().u8(2).u8(4).u16(mss).take(); }
inline Buffer window_scale_option(std::uint8_t shift) { return Writer().u8(3).u8(3).u8(shift).take(); }
inline Buffer sack_permitted_option() { return Writer().u8(4).u8(2).take(); }
inline Buffer timestamps_option(std::uint32_t tsval, std::uint32_t tsecr) {
  return Writer().u8(1).u8(1).u8(8).u8(10).u32(tsval).u32(tsecr).take();
}
inline Buffer sack_option(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& blocks) {
  Writer out;
  out.u8(1).u8(1).u8(5).u8(2 + 8 * blocks.size());
  for (const auto& [left, right] : blocks) out.u32(left).u32(right);
  return out.take();
}

struct UdpFields {
  std::uint16_t source_port = 40000;
  std::uint16_t target_port = 53;
  std::optional<std::uint16_t> length{};
};

inline Buffer udp(const UdpFields& fields, const Buffer& payload) {
  const auto length = static_cast<std::uint16_t>(8 + payload.size());
  return Writer()
      .u16(fields.source_port)
      .u16(fields.target_port)
      .u16(fields.length.value_or(length))
      .u16(0)
      .add(payload)
      .take();
}

// ---- tunnels: what goes into UDP (VXLAN) or into IP as protocol 47 (GRE) ----

inline Buffer vxlan(std::uint32_t network_identifier, const Buffer& frame, std::uint8_t flags = 0x08) {
  return Writer().u8(flags).u24(0).u24(network_identifier).u8(0).add(frame).take();
}

struct GreFields {
  std::uint16_t type = 0x0800;
  bool has_checksum = false;
  std::optional<std::uint32_t> key{};
  std::optional<std::uint32_t> sequence{};
  std::uint16_t more_flags = 0;  ///< routing bit, version
};

inline Buffer gre(const GreFields& fields, const Buffer& payload) {
  Writer out;
  out.u16((fields.has_checksum ? 0x8000u : 0u) | (fields.key ? 0x2000u : 0u) | (fields.sequence ? 0x1000u : 0u) |
          fields.more_flags);
  out.u16(fields.type);
  if (fields.has_checksum) out.u32(0);
  if (fields.key) out.u32(*fields.key);
  if (fields.sequence) out.u32(*fields.sequence);
  return out.add(payload).take();
}

/// An NSH of MD type 2 without metadata, or with `more_words` of it.
inline Buffer nsh(std::uint8_t next_protocol, std::uint32_t path, const Buffer& payload, std::uint8_t more_words = 0) {
  return Writer()
      .u8(0)
      .u8(2u + more_words)
      .u8(2)
      .u8(next_protocol)
      .u24(path)
      .u8(255)
      .fill(4u * more_words)
      .add(payload)
      .take();
}

inline Buffer vxlan_gpe(std::uint8_t next_protocol, std::uint32_t network_identifier, const Buffer& payload,
                        std::uint8_t flags = 0x0c) {
  return Writer().u8(flags).u16(0).u8(next_protocol).u24(network_identifier).u8(0).add(payload).take();
}

inline Buffer geneve(std::uint16_t type, std::uint32_t network_identifier, const Buffer& payload,
                     std::uint8_t option_words = 0) {
  return Writer()
      .u8(option_words)
      .u8(0)
      .u16(type)
      .u24(network_identifier)
      .u8(0)
      .fill(4u * option_words)
      .add(payload)
      .take();
}

/// A GTP-U G-PDU. With `flags` of sequence, N-PDU or extension (0x02, 0x01, 0x04), `optional` are the bytes from the
/// sequence number on.
inline Buffer gtp(std::uint32_t endpoint, const Buffer& packet, std::uint8_t flags = 0, const Buffer& optional = {},
                  std::uint8_t message = 255) {
  return Writer()
      .u8(0x30u | flags)
      .u8(message)
      .u16(optional.size() + packet.size())
      .u32(endpoint)
      .add(optional)
      .add(packet)
      .take();
}

/// What PPP puts before a packet: address and control, or not, and a protocol.
inline Buffer ppp(std::uint16_t protocol, const Buffer& packet, bool has_address = false) {
  Writer out;
  if (has_address) out.u16(0xff03);
  return out.u16(protocol).add(packet).take();
}

inline Buffer pppoe(std::uint16_t session, const Buffer& frame) {
  return Writer().u16(0x1100).u16(session).u16(frame.size()).add(frame).take();
}

struct L2tpFields {
  std::uint16_t tunnel = 1;
  std::uint16_t session = 2;
  bool has_length = false;
  bool has_sequence = false;
  std::optional<std::uint16_t> offset{};
};

inline Buffer l2tp(const L2tpFields& fields, const Buffer& frame) {
  Writer out;
  out.u16(2u | (fields.has_length ? 0x4000u : 0) | (fields.has_sequence ? 0x0800u : 0) | (fields.offset ? 0x0200u : 0));
  const std::size_t bytes = 6u + (fields.has_length ? 2 : 0) + (fields.has_sequence ? 4 : 0) +
                            (fields.offset ? 2u + *fields.offset : 0) + frame.size();
  if (fields.has_length) out.u16(bytes);
  out.u16(fields.tunnel).u16(fields.session);
  if (fields.has_sequence) out.u32(0x00010002);
  if (fields.offset) out.u16(*fields.offset).fill(*fields.offset);
  return out.add(frame).take();
}

/// A stack of labels, outermost first.
inline Buffer mpls(const std::vector<std::uint32_t>& labels, const Buffer& payload) {
  Writer out;
  for (std::size_t at = 0; at < labels.size(); ++at)
    out.u32(labels[at] << 12 | (at + 1 == labels.size() ? 0x100u : 0) | 64u);
  return out.add(payload).take();
}

/// A pseudowire's control word before a frame.
inline Buffer control_word(const Buffer& frame) { return Writer().u32(7).add(frame).take(); }

struct Erspan3Fields {
  std::uint16_t session_id = 5;
  std::uint16_t vlan = 100;
  std::uint32_t timestamp = 0;
  std::uint16_t hardware_id = 0;
  bool egress = false;
  std::uint8_t granularity = 0;
  std::uint8_t frame_type = 0;
  std::optional<std::uint64_t> subheader{};
};

/// An ERSPAN type III header, to go into gre({.type = 0x22eb, .sequence = n}, ...).
inline Buffer erspan3(const Erspan3Fields& fields, const Buffer& frame) {
  Writer out;
  out.u16(0x2000u | fields.vlan).u16(fields.session_id).u32(fields.timestamp).u16(0);
  out.u16(std::uint64_t{fields.frame_type} << 10 | std::uint64_t{fields.hardware_id} << 4 | (fields.egress ? 8u : 0) |
          std::uint64_t{fields.granularity} << 1 | (fields.subheader ? 1u : 0));
  if (fields.subheader) out.u64(*fields.subheader);
  return out.add(frame).take();
}

/// An ERSPAN type II header, to go into gre({.type = 0x88be, .sequence = n}, ...).
inline Buffer erspan2(std::uint16_t session_id, const Buffer& frame, std::uint16_t vlan = 100) {
  return Writer().u16(0x1000u | vlan).u16(session_id).u32(0).add(frame).take();
}

// ---- as a source hands them out ----

/// A packet that borrows `frame`; 0: as long on the wire as captured.
inline capture::Packet packet_of(const Buffer& frame, std::uint64_t time_ns = 0, std::uint32_t wire_bytes = 0) {
  return {.bytes = frame,
          .time_ns = time_ns,
          .wire_bytes = wire_bytes == 0 ? static_cast<std::uint32_t>(frame.size()) : wire_bytes,
          .interface_id = 0};
}

}  // namespace hoptap::test
