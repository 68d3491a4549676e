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
  out.add(one.link.target.bytes).u16(one.link.vlans[0]).u16(one.link.vlans[1]).u8(one.link.vlan_count);
  out.u32(one.link.interface_index).u8(one.tunnels.depth).u8(one.mirror.type);
  const Buffer bytes = out.take();
  return {bytes.begin(), bytes.end()};
}

/// A second interface of another link type keeps the decoder from the short cut.
std::string decoded_text(const Buffer& frame, std::uint32_t wire_bytes, bool short_cut) {
  capture::Packet packet = test::packet_of(frame, 77, wire_bytes);
  std::vector<capture::Interface> interfaces(2);
  packet.interface_id = 1;
  if (!short_cut) interfaces[0].link_type = 101;
  Decoded one;
  std::memset(static_cast<void*>(&one), 0xee, sizeof one);  // nothing may be left of it
  Decoder decoder;
  decoder.decode(std::span(&packet, 1), interfaces, std::span(&one, 1));
  return text_of(one);
}

void expect_same(const Buffer& frame, std::uint32_t wire_bytes, std::size_t at) {
  EXPECT_EQ(decoded_text(frame, wire_bytes, true), decoded_text(frame, wire_bytes, false)) << at;
}

std::vector<Buffer> frames() {
  std::vector<Buffer> all;
  for (const Buffer& options : {Buffer{}, test::timestamps_option(0x01020304, 0x05060708), test::mss_option(1460)}) {
    for (const std::vector<test::VlanTag>& vlans : {std::vector<test::VlanTag>{}, {{.id = 0x8123}}, {{1}, {2}}}) {
      for (const Buffer& payload : {Buffer{}, test::text("hello, world")}) {
        const Buffer segment = test::tcp({.source_port = 0x1234,
                                          .target_port = 0xabcd,
                                          .sequence = 0x11223344,
                                          .acknowledgment = 0x55667788,
                                          .flags = 0xff,
                                          .window = 0x99aa,
                                          .options = options},
                                         payload);
        all.push_back(test::ethernet(
            {.vlans = vlans, .padding = payload.empty() ? 6u : 0u},
            test::ipv4({.source = 0xc0a80102, .ttl = 57, .traffic_class = 0xb9, .id = 0xabcd}, segment)));
      }
    }
  }
  return all;
}

TEST(PlainTest, SaysWhatTheWalkSays) {
  for (const Buffer& frame : frames()) expect_same(frame, 0, frame.size());
}

TEST(PlainTest, TheSameOfCutFrames) {
  for (const Buffer& frame : frames()) {
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
      const Buffer part(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(cut));
      expect_same(part, static_cast<std::uint32_t>(frame.size()), cut);
      expect_same(part, 0, cut);
    }
  }
}

TEST(PlainTest, TheSameOfChangedFrames) {
  std::mt19937 random(7);
  for (const Buffer& frame : frames()) {
    for (std::size_t at = 0; at < frame.size(); ++at) {
      for (const std::uint8_t value : Buffer{0, 1, 5, 0x0f, 0x20, 0x45, 0x50, 0x80, 0xff}) {
        Buffer changed = frame;
        changed[at] = value;
        expect_same(changed, 0, at);
        changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
        expect_same(changed, 0, at);
      }
    }
  }
}

}  // namespace
}  // namespace hoptap::decode
