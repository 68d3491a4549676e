// The short cut for plain packets and the walk say the same of every packet.
#include "decode/plain.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "decode/decoder.h"
#include "tests/unit/packet_builder.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::Writer;

/// All fields that mean something, in text.
std::string text_of(const Decoded& one) {
  Writer out;
  out.u64(one.time_ns).add(one.source.address.bytes).u16(one.source.port).add(one.target.address.bytes);
  out.u16(one.target.port).u8(one.ttl).u8(one.protocol).u8(static_cast<std::uint8_t>(one.outcome));
  out.u8(one.traffic_class).u16(one.ip_id).u16(one.interface_id).u32(one.ip_bytes).u32(one.payload_wire_bytes);
  out.u16(one.l4_checksum).u32(one.tcp.tsval).u32(one.tcp.tsecr).u32(one.tcp.sequence).u32(one.tcp.acknowledgment);
  out.u16(one.tcp.window).u16(one.tcp.mss).u8(one.tcp.flags).u8(one.tcp.window_scale).u8(one.tcp.sack_blocks);
  out.u8(one.tcp.has_window_scale).u32(one.tcp.sack_left).u32(one.tcp.sack_right).u8(one.tcp.has_timestamps);
  out.u8(one.tcp.sack_permitted).add(one.tcp.options).u8(255).add(one.payload).u8(255).add(one.link.source.bytes);
  out.add(one.link.target.bytes).u16(one.link.vlans[0]).u16(one.link.vlans[1]).u32(one.link.vlan_count);
  out.u32(one.link.interface_index).u8(one.mirror.type);
  for (const Tunnel& layer : one.tunnels.used())
    out.u8(static_cast<std::uint8_t>(layer.type)).u32(layer.id).add(layer.source.bytes).add(layer.target.bytes);
  const Buffer bytes = out.take();
  return {bytes.begin(), bytes.end()};
}

/// A decoder that takes the short cut and one that does not: a second interface of another link type keeps it from
/// that.
class Both {
 public:
  void expect_same(const Buffer& frame, std::uint32_t wire_bytes, std::size_t at) {
    EXPECT_EQ(decoded_text(short_cut_, 1, frame, wire_bytes), decoded_text(walk_, 101, frame, wire_bytes)) << at;
    EXPECT_EQ(short_cut_.counters(), walk_.counters()) << at;
  }

 private:
  static std::string decoded_text(Decoder& decoder, capture::LinkType other, const Buffer& frame,
                                  std::uint32_t wire_bytes) {
    capture::Packet packet = test::packet_of(frame, 77, wire_bytes);
    std::vector<capture::Interface> interfaces(2);
    packet.interface_id = 1;
    interfaces[0].link_type = other;
    Decoded one;
    std::memset(static_cast<void*>(&one), 0xee, sizeof one);  // nothing may be left of it
    decoder.decode(std::span(&packet, 1), interfaces, std::span(&one, 1));
    return text_of(one);
  }

  Decoder short_cut_, walk_;
};

constexpr std::uint8_t kUdp = 17;

Buffer segment(const Buffer& options, const Buffer& payload) {
  return test::tcp({.source_port = 0x1234,
                    .target_port = 0xabcd,
                    .sequence = 0x11223344,
                    .acknowledgment = 0x55667788,
                    .flags = 0xff,
                    .window = 0x99aa,
                    .options = options},
                   payload);
}
Buffer datagram(const Buffer& payload, std::uint16_t target_port = 0xabcd) {
  return test::udp({.source_port = 0x1234, .target_port = target_port}, payload);
}
Buffer timestamps() { return test::timestamps_option(0x01020304, 0x05060708); }

Buffer in_ipv4(const Buffer& inside, std::uint8_t protocol = 6) {
  return test::ipv4({.source = 0xc0a80102, .protocol = protocol, .ttl = 57, .traffic_class = 0xb9, .id = 0xabcd},
                    inside);
}
Buffer in_ipv6(const Buffer& inside, std::uint8_t next_header = 6) {
  return test::ipv6({.source = 0x0102030405060708, .next_header = next_header, .hop_limit = 57, .traffic_class = 0xb9},
                    inside);
}

/// Packets of IP that the short cut is made for, and some that look like them.
std::vector<Buffer> plain_packets() {
  std::vector<Buffer> all;
  for (const Buffer& payload : {Buffer{}, test::text("hello, world")}) {
    for (const Buffer& options : {Buffer{}, timestamps()}) {
      all.push_back(in_ipv4(segment(options, payload)));
      all.push_back(in_ipv6(segment(options, payload)));
    }
    all.push_back(in_ipv4(datagram(payload), kUdp));
    all.push_back(in_ipv6(datagram(payload), kUdp));
    all.push_back(in_ipv4(test::udp({.source_port = 4789}, payload), kUdp));
  }
  return all;
}
std::vector<Buffer> other_packets() {
  return {in_ipv4(segment(test::mss_option(1460), {})),
          in_ipv6(segment(test::mss_option(1460), {})),
          in_ipv6(test::extension(6, segment(timestamps(), {})), 0),
          in_ipv4(datagram(test::text("hello"), 1701), kUdp),
          in_ipv4(test::udp({.source_port = 1701}, test::text("hello")), kUdp),
          in_ipv4(test::udp({.length = 9}, test::text("hello")), kUdp),
          in_ipv6(test::udp({.length = 0}, test::text("hello")), kUdp)};
}

Buffer in_vxlan(const Buffer& frame, std::uint16_t port = 4789, std::uint8_t flags = 8) {
  return datagram(test::vxlan(0xabcdef, frame, flags), port);
}

std::vector<Buffer> in_frames(const std::vector<Buffer>& packets, bool with_tags) {
  std::vector<Buffer> all;
  for (const Buffer& packet : packets) {
    all.push_back(test::ethernet({.source = 0x0a0b0c0d0e0f, .padding = packet.size() < 50 ? 6u : 0u}, packet));
    if (with_tags) all.push_back(test::ethernet({.vlans = {{.id = 0x8123}}}, packet));
  }
  return all;
}

std::vector<Buffer> plain_frames() {
  std::vector<Buffer> all = in_frames(plain_packets(), true), tunnels;
  for (const Buffer& frame : in_frames(plain_packets(), true)) tunnels.push_back(in_ipv4(in_vxlan(frame), kUdp));
  tunnels.push_back(in_ipv4(in_vxlan(all[0], 8472), kUdp));
  tunnels.push_back(in_ipv6(in_vxlan(all[0]), kUdp));
  for (Buffer& frame : in_frames(tunnels, false)) all.push_back(std::move(frame));
  all.push_back(test::ethernet({.vlans = {{.id = 7}}}, tunnels[0]));
  return all;
}

std::vector<Buffer> other_frames() {
  std::vector<Buffer> all = in_frames(other_packets(), true), tunnels;
  for (const Buffer& frame : in_frames(other_packets(), false)) tunnels.push_back(in_ipv4(in_vxlan(frame), kUdp));
  const Buffer frame = test::ethernet({}, plain_packets()[0]);
  for (const std::uint8_t flags : Buffer{0, 0x0c, 0x88}) tunnels.push_back(in_ipv4(in_vxlan(frame, 4789, flags), kUdp));
  const Buffer in_two = in_ipv4(in_vxlan(test::ethernet({}, in_ipv4(in_vxlan(frame), kUdp))), kUdp);
  tunnels.push_back(in_two);
  tunnels.push_back(in_ipv4(datagram({}, 4789), kUdp));
  tunnels.push_back(in_ipv4(test::udp({.source_port = 53, .target_port = 4789}, Buffer(60, 0x0e)), kUdp));
  tunnels.push_back(in_ipv4(datagram(test::vxlan_gpe(3, 7, frame), 4790), kUdp));
  for (Buffer& outer : in_frames(tunnels, false)) all.push_back(std::move(outer));
  all.push_back(test::ethernet({.vlans = {{1}, {2}}}, plain_packets()[0]));
  all.push_back(test::ethernet({.type = 0x0806}, Buffer(46)));
  return all;
}

std::vector<Buffer> frames() {
  std::vector<Buffer> all = plain_frames();
  for (Buffer& frame : other_frames()) all.push_back(std::move(frame));
  return all;
}

TEST(PlainTest, SaysWhatTheWalkSays) {
  Both both;
  for (const Buffer& frame : frames()) both.expect_same(frame, 0, frame.size());
}

TEST(PlainTest, TheSameOfCutFrames) {
  Both both;
  for (const Buffer& frame : frames()) {
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
      const Buffer part(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(cut));
      both.expect_same(part, static_cast<std::uint32_t>(frame.size()), cut);
      both.expect_same(part, 0, cut);
    }
  }
}

TEST(PlainTest, TheSameOfChangedFrames) {
  Both both;
  std::mt19937 random(7);
  for (const Buffer& frame : frames()) {
    for (std::size_t at = 0; at < frame.size(); ++at) {
      for (const std::uint8_t value : Buffer{0, 1, 5, 6, 8, 0x0f, 0x11, 0x20, 0x45, 0x50, 0x60, 0x80, 0x81, 0xff}) {
        Buffer changed = frame;
        changed[at] = value;
        both.expect_same(changed, 0, at);
        changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
        both.expect_same(changed, 0, at);
      }
    }
  }
}

#if defined(__x86_64__)
[[gnu::target("avx")]] bool is_plain(const Buffer& frame) {
  static const UdpPorts ports = [] {
    UdpPorts of_vxlan;
    of_vxlan.add(DecodeConfig{}.vxlan_ports, UdpTunnel::kVxlan);
    of_vxlan.add(DecodeConfig{}.vxlan_gpe_ports, UdpTunnel::kVxlanGpe);
    of_vxlan.add(DecodeConfig{}.l2tp_ports, UdpTunnel::kL2tp);
    return of_vxlan;
  }();
  Decoded one;
  return plain::read_packet(frame, ports, one) != decode::plain::Found::kOther;
}

/// So that the comparison is not of the walk with itself.
TEST(PlainTest, TakesTheShortCut) {
  if (!__builtin_cpu_supports("avx")) GTEST_SKIP() << "no AVX";
  const std::vector<Buffer> plain = plain_frames(), other = other_frames();
  for (std::size_t at = 0; at < plain.size(); ++at) EXPECT_TRUE(is_plain(plain[at])) << at;
  for (std::size_t at = 0; at < other.size(); ++at) EXPECT_FALSE(is_plain(other[at])) << at;
}
#endif

}  // namespace
}  // namespace hoptap::decode
