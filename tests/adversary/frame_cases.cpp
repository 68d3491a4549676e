// Frames for the decoder: fragments of every kind, and headers within headers.
#include "feed.h"
#include "packet_builder.h"

namespace hoptap::adversary {
namespace {

using test::Buffer;

/// A fragment of a UDP datagram; `at` and the size in units of 8 bytes.
void fragment(Feed& feed, std::uint16_t id, std::uint32_t at, std::size_t units, bool more, std::uint8_t filler = 0) {
  test::Ipv4Fields fields{.protocol = 17, .id = id};
  fields.fragment = static_cast<std::uint16_t>((more ? 0x2000u : 0u) | at);
  feed.put_frame(test::ethernet({}, test::ipv4(fields, Buffer(units * 8, filler))));
}

constexpr std::uint32_t kUnits = 1024;

void fragments_forward(Feed& feed) {
  for (std::uint16_t id = 0; feed.more(); ++id)
    for (std::uint32_t at = 0; at < kUnits && feed.more(); ++at) fragment(feed, id, at, 1, at + 1 < kUnits);
}

void fragments_reverse(Feed& feed) {
  for (std::uint16_t id = 0; feed.more(); ++id)
    for (std::uint32_t at = kUnits; at > 0 && feed.more(); --at) fragment(feed, id, at - 1, 1, at < kUnits);
}

/// Of many datagrams at once, in random order, none of which is ever whole.
void fragments_random(Feed& feed) {
  while (feed.more())
    fragment(feed, static_cast<std::uint16_t>(feed.random.below(512)), feed.random.below(8000), 1, true);
}

void fragments_overlapping(Feed& feed) {
  for (std::uint16_t id = 0; feed.more(); ++id)
    for (std::uint32_t copy = 0; copy < 16 && feed.more(); ++copy)
      fragment(feed, id, feed.random.below(64), 1 + feed.random.below(16), true, static_cast<std::uint8_t>(copy / 8));
}

/// First fragments alone.
void fragments_endless(Feed& feed) {
  while (feed.more()) fragment(feed, static_cast<std::uint16_t>(feed.random()), 0, 1, true);
}

/// Last fragments alone, as far behind as can be.
void fragments_last(Feed& feed) {
  while (feed.more()) fragment(feed, static_cast<std::uint16_t>(feed.random()), 8000, 1, false);
}

/// As many IPv6 extension headers as a frame has room for.
void extensions(Feed& feed) {
  Buffer inner = test::tcp({.flags = test::kAck});
  std::uint8_t next = 6;
  for (int at = 0; at < 170; ++at) {
    inner = test::extension(next, inner);
    next = 60;
  }
  const Buffer frame = test::ethernet({}, test::ipv6({.next_header = next}, inner));
  while (feed.more()) feed.put_frame(frame);
}

/// VLAN tags, then MPLS labels, without end.
void tags(Feed& feed) {
  test::Writer stack;
  for (int at = 0; at < 300; ++at) stack.u32(16u << 12);
  const Buffer labels = stack.take();
  test::EthernetFields fields{.type = 0x8847};
  for (int at = 0; at < 40; ++at) fields.vlans.push_back({.id = 5});
  const Buffer frame = test::ethernet(fields, labels);
  while (feed.more()) feed.put_frame(frame);
}

/// VXLAN in VXLAN in VXLAN, each with another network.
void nested_tunnels(Feed& feed) {
  while (feed.more()) {
    Buffer frame = test::ethernet({}, test::ipv4({.source = feed.random()}, test::tcp({.flags = test::kSyn})));
    for (int depth = 0; depth < 12; ++depth) {
      const Buffer vxlan = test::Writer().u32(0x08000000).u32(feed.random() << 8).add(frame).take();
      frame = test::ethernet({}, test::ipv4({.protocol = 17}, test::udp({.target_port = 4789}, vxlan)));
    }
    feed.put_frame(frame);
  }
}

/// TCP options that are all no-operations.
void options(Feed& feed) {
  const Buffer frame =
      test::ethernet({}, test::ipv4({}, test::tcp({.flags = test::kAck, .options = Buffer(40, 1)}, Buffer(8, 'x'))));
  while (feed.more()) feed.put_frame(frame);
}

constexpr std::array kCases{
    Case{"fragments_forward", fragments_forward},
    Case{"fragments_reverse", fragments_reverse},
    Case{"fragments_random", fragments_random},
    Case{"fragments_overlapping", fragments_overlapping},
    Case{"fragments_endless", fragments_endless},
    Case{"fragments_last", fragments_last},
    Case{"extensions", extensions},
    Case{"tags", tags},
    Case{"nested_tunnels", nested_tunnels},
    Case{"options", options},
};

}  // namespace

std::span<const Case> frame_cases() { return kCases; }

}  // namespace hoptap::adversary
