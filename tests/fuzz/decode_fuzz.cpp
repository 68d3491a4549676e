// Any bytes as a packet of any link type, or as a recipe for packets: stacks of encapsulations, cut, corrupted, in
// fragments. Decodes; every view lies within the packet or what the decoder put together, every counter adds up, and
// the short cut for plain packets says what the walk says.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "decode/decoder.h"
#include "decode/mirror/mirror_splitter.h"
#include "decode/mirror/switch_stamps.h"
#include "tests/unit/packet_builder.h"

namespace {

using namespace hoptap;
using test::Buffer;

constexpr std::array<capture::LinkType, 13> kLinkTypes{0, 1, 9, 50, 51, 101, 104, 108, 113, 228, 229, 276, 65535};

void check(bool holds) {
  if (!holds) std::abort();
}

bool is_within(base::Bytes part, base::Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_one(const decode::Decoded& one, const capture::Packet& packet, const decode::Decoder& decoder) {
  const base::Bytes ours = decoder.reassembled();
  check(is_within(one.payload, packet.bytes) || is_within(one.payload, ours));
  check(is_within(one.tcp.options, packet.bytes) || is_within(one.tcp.options, ours));
  check(one.payload.size() <= one.payload_wire_bytes);
  check(one.tunnels.depth <= base::TunnelStack::kDepthMax && one.link.vlan_count <= base::Link::kVlansMax);
  for (const base::Tunnel& layer : one.tunnels.used())
    check(static_cast<std::uint8_t>(layer.type) < base::kTunnelTypeCount);
  check(one.mirror.type <= 3);
}

void check_counters(const decode::Decoder& decoder, std::size_t packets) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : decoder.counters()) sum += count;
  check(sum == packets);
  const decode::ReassemblyCounters& counters = decoder.reassembly_counters();
  const std::uint64_t ended = counters.completed + counters.timed_out + counters.evicted + counters.overlapping +
                              counters.inconsistent + counters.too_many_fragments + counters.no_room;
  check(ended <= counters.datagrams && counters.datagrams <= counters.fragments);
}

decode::DecodeConfig config() {
  decode::DecodeConfig config;
  config.teredo_ports = {3544};
  config.reassembly = {.datagrams_max = 3, .bytes_max = 1 << 16, .fragments_max = 12, .timeout_ns = 100};
  return config;
}

/// But for bytes that one decoder put together and the other too, each at its own place.
void check_same(const decode::Decoded& one, const decode::Decoded& other) {
  check(one.outcome == other.outcome && one.source == other.source && one.target == other.target);
  check(one.ttl == other.ttl && one.protocol == other.protocol && one.traffic_class == other.traffic_class);
  check(one.ip_id == other.ip_id && one.ip_bytes == other.ip_bytes && one.l4_checksum == other.l4_checksum);
  check(one.payload.size() == other.payload.size() && one.payload_wire_bytes == other.payload_wire_bytes);
  check(std::equal(one.payload.begin(), one.payload.end(), other.payload.begin()));
  check(one.tunnels == other.tunnels && one.mirror.type == other.mirror.type);
  check(one.link.source == other.link.source && one.link.target == other.link.target);
  check(one.link.vlans == other.link.vlans && one.link.vlan_count == other.link.vlan_count);
  check(one.link.interface_index == other.link.interface_index && one.interface_id == other.interface_id);
  check(one.tcp.sequence == other.tcp.sequence && one.tcp.acknowledgment == other.tcp.acknowledgment);
  check(one.tcp.window == other.tcp.window && one.tcp.mss == other.tcp.mss && one.tcp.flags == other.tcp.flags);
  check(one.tcp.tsval == other.tcp.tsval && one.tcp.tsecr == other.tcp.tsecr);
  check(one.tcp.has_timestamps == other.tcp.has_timestamps && one.tcp.sack_left == other.tcp.sack_left);
  check(one.tcp.options.size() == other.tcp.options.size() && one.tcp.sack_blocks == other.tcp.sack_blocks);
}

/// What the stages behind the decoder make of it: stamps of every kind, mirrors taken off; nothing is lost count of.
void check_mirrors(const std::vector<capture::Packet>& packets, std::vector<decode::Decoded> decoded,
                   const decode::Decoder& decoder) {
  for (const auto source :
       {decode::StampSource::kErspan, decode::StampSource::kArista, decode::StampSource::kMetamako,
        decode::StampSource::kCiscoIe, decode::StampSource::kCiscoHpt, decode::StampSource::kArista7150}) {
    decode::SwitchStamps stamps(source);
    stamps.apply(packets, decoded);
    const decode::StampCounts& counts = stamps.counts();
    check(counts.taken + counts.absent + counts.implausible + counts.unanchored + counts.keyframes +
              counts.refused_keyframes ==
          packets.size());
    stamps.note_points(decoded);
    std::uint64_t noted = 0;
    for (const decode::PointStamps& point : stamps.points()) noted += point.taken + point.kept;
    check(noted == packets.size());
  }
  decode::MirrorConfig config{.rules = {}, .points_max = 3};
  for (const auto kind : {decode::MirrorKind::kVxlan, decode::MirrorKind::kGre, decode::MirrorKind::kErspan})
    config.rules.push_back(
        {.kind = kind, .id = 5, .port = kind == decode::MirrorKind::kErspan ? std::optional(1u) : std::nullopt});
  const auto points = std::make_shared<decode::MirrorPoints>(config);
  decode::MirrorSplitter splitter(points);
  std::vector<decode::Decoded> split = decoded;
  splitter.split(split, decoder.erspan_packets());
  splitter.finish();
  std::uint64_t moved = 0, refused = 0, kept = 0;
  for (std::size_t at = 0; at < split.size(); ++at) {
    const bool is_moved = split[at].interface_id != decoded[at].interface_id;
    moved += is_moved ? 1 : 0;
    check(is_moved == (split[at].tunnels.depth < decoded[at].tunnels.depth));
    check(!is_moved || split[at].interface_id < capture::kInterfacesMax + points->size());
  }
  for (const decode::MirrorSession& session : splitter.sessions()) {
    refused += session.refused_packets;
    for (const decode::MirrorShare& share : session.shares) kept += share.packets;
  }
  check(points->size() <= 3 && moved == kept && (refused == 0 || points->size() == 3));
}

/// A second interface of another link type keeps the decoder from the short cut. Both must say the same.
void decode_all(const std::vector<capture::Packet>& packets, capture::LinkType link_type) {
  const std::array<capture::Interface, 2> interfaces{capture::Interface{.link_type = link_type},
                                                     capture::Interface{.link_type = 65535}};
  std::vector<decode::Decoded> first(packets.size()), second(packets.size());
  decode::Decoder decoder(config()), walker(config());
  decoder.decode(packets, std::span(interfaces).first(1), first);
  walker.decode(packets, interfaces, second);
  check_counters(decoder, packets.size());
  check(decoder.counters() == walker.counters());
  for (std::size_t at = 0; at < packets.size(); ++at) {
    check_one(first[at], packets[at], decoder);
    check_same(first[at], second[at]);
  }
  check_mirrors(packets, first, decoder);
}

/// Numbers for decisions, zeros when they run out.
class Recipe {
 public:
  explicit Recipe(base::Bytes bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::uint8_t next() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::size_t below(std::size_t count) { return next() % count; }

 private:
  base::Bytes bytes_;
};

Buffer transport(Recipe& recipe, std::uint8_t& protocol) {
  const Buffer payload(recipe.next() * 8u, 'x');
  switch (recipe.below(4)) {
    case 0: {
      constexpr std::array<std::uint16_t, 8> kPorts{53, 443, 1024, 1701, 4789, 8472, 6081, 60000};
      protocol = 17;
      const std::uint16_t source = kPorts[recipe.below(kPorts.size())], target = kPorts[recipe.below(kPorts.size())];
      return test::udp({.source_port = source, .target_port = target},
                       test::Writer().u8(recipe.next()).u24(0).add(payload).take());
    }
    case 1: protocol = 1; return test::Writer().u8(recipe.next()).u8(0).u16(0).u32(0).add(payload).take();
    case 2: protocol = 6; return test::tcp({.options = test::sack_option({{1, 2}, {3, 4}})}, payload);
    default: protocol = 6; return test::tcp({.options = test::timestamps_option(1, 2)}, payload);
  }
}

/// An IP packet around a payload, of either version, with or without what may stand between.
Buffer network(Recipe& recipe, std::uint8_t protocol, const Buffer& payload) {
  switch (recipe.below(6)) {
    case 0: return test::ipv6({.next_header = protocol}, payload);
    case 1: return test::ipv6({.next_header = 0}, test::extension(protocol, payload, recipe.next() % 4));
    case 2: return test::ipv6({.next_header = 44}, test::fragment(protocol, 0, false, payload));
    case 3: return test::ipv4({.protocol = 51}, test::authentication(protocol, payload));
    case 4: return test::ipv4({.protocol = protocol, .options = Buffer(recipe.next() % 11 * 4u, 1)}, payload);
    default: return test::ipv4({.protocol = protocol}, payload);
  }
}

Buffer in_udp(Recipe& recipe, std::uint16_t port, const Buffer& payload) {
  return network(recipe, 17, test::udp({.target_port = port}, payload));
}

std::uint16_t type_of(const Buffer& packet) { return test::ether_type_of(packet); }

/// One more encapsulation around an IP packet; the result is an IP packet again.
Buffer encapsulate(Recipe& recipe, const Buffer& packet) {
  const std::uint8_t id = recipe.next();
  const Buffer frame = test::ethernet({}, packet);
  const auto in_gre = [&](const test::GreFields& fields, const Buffer& inside) {
    return network(recipe, 47, test::gre(fields, inside));
  };
  switch (recipe.below(16)) {
    case 0: return in_udp(recipe, 4789, test::vxlan(id, frame, id < 224 ? 0x08 : id));
    case 1: return in_udp(recipe, 4790, test::vxlan_gpe(3, id, frame));
    case 2:
      return in_udp(recipe, 4790, test::vxlan_gpe(4, id, test::nsh(type_of(packet) == 0x0800 ? 1 : 2, id, packet)));
    case 3: return in_udp(recipe, 6081, test::geneve(0x6558, id, frame, id % 64));
    case 4: return in_udp(recipe, 6081, test::geneve(type_of(packet), id, packet));
    case 5: return in_udp(recipe, 2152, test::gtp(id, packet));
    case 6: return in_udp(recipe, 2152, test::gtp(id, packet, 0x04, Buffer{0, 0, 0, 0x85, 1, 0, id, 0}));
    case 7: return in_udp(recipe, 1701, test::l2tp({.has_length = true}, test::ppp(0x0021, packet, true)));
    case 8: return in_gre({.type = type_of(packet), .key = id}, packet);
    case 9: return in_gre({.type = 0x6558, .has_checksum = true}, frame);
    case 10: return in_gre({.type = 0x88be, .sequence = id}, test::erspan2(id, frame));
    case 11: return in_gre({.type = 0x22eb, .sequence = id}, test::erspan3({.subheader = 3ull << 58 | id}, frame));
    case 12: return in_gre({.type = 0x8847}, test::mpls({id, 16}, packet));
    case 13: return network(recipe, 137, test::mpls({id}, test::control_word(frame)));
    case 14: return in_udp(recipe, 3544, packet);
    default: return network(recipe, type_of(packet) == 0x0800 ? 4 : 41, packet);
  }
}

Buffer link(Recipe& recipe, const Buffer& packet) {
  switch (recipe.below(6)) {
    case 0: return test::ethernet({.vlans = {{.id = 5}}}, packet);
    case 1: return test::ethernet({.vlans = std::vector<test::VlanTag>(recipe.next() % 10)}, packet);
    case 2: return test::ethernet({.type = 0x8864}, test::pppoe(7, test::ppp(0x0021, packet)));
    case 3: return test::ethernet({.type = 0x8847}, test::mpls({16, 17}, packet));
    case 4: return test::ethernet({.type = 0x88e7}, test::Writer().u32(5).add(test::ethernet({}, packet)).take());
    default: return test::ethernet({}, packet);
  }
}

/// The packet, or IPv4 fragments of it in some order; sometimes one twice.
std::vector<Buffer> in_fragments(Recipe& recipe, const Buffer& packet) {
  constexpr std::size_t kHeaderBytes = 20;
  const std::size_t step = recipe.next() * 8u;
  if (step == 0 || packet.size() < kHeaderBytes || packet[0] != 0x45) return {packet};
  const Buffer payload(packet.begin() + kHeaderBytes, packet.end());
  std::vector<std::size_t> cuts;
  for (std::size_t cut = step; cut < payload.size() && cuts.size() < 20; cut += step) cuts.push_back(cut);
  std::vector<Buffer> all = test::ipv4_fragments({.protocol = packet[9], .id = recipe.next()}, payload, cuts);
  if (recipe.next() % 2 == 1) std::reverse(all.begin(), all.end());
  if (recipe.next() % 4 == 1) all.push_back(all[recipe.below(all.size())]);
  return all;
}

std::vector<Buffer> frames_of(Recipe& recipe) {
  constexpr std::size_t kFramesMax = 64, kPacketBytesMax = 20'000;
  std::vector<Buffer> frames;
  while (!recipe.empty() && frames.size() < kFramesMax) {
    std::uint8_t protocol = 6;
    const Buffer payload = transport(recipe, protocol);
    std::vector<Buffer> packets = in_fragments(recipe, network(recipe, protocol, payload));
    for (std::size_t layers = recipe.below(6); layers > 0; --layers) {
      std::vector<Buffer> outer;
      for (const Buffer& packet : packets) {
        if (packet.size() > kPacketBytesMax || outer.size() > kFramesMax) continue;
        for (Buffer& one : in_fragments(recipe, encapsulate(recipe, packet))) outer.push_back(std::move(one));
      }
      packets = std::move(outer);
    }
    for (const Buffer& packet : packets) {
      frames.push_back(link(recipe, packet));
      Buffer& frame = frames.back();
      for (std::size_t flips = recipe.below(8) / 6; flips > 0; --flips)
        frame[(recipe.next() * 256u + recipe.next()) % frame.size()] = recipe.next();
      if (recipe.below(8) == 7) frame.resize((recipe.next() * 256u + recipe.next()) % frame.size());
    }
  }
  return frames;
}

}  // namespace

/// The first byte picks a link type for the bytes as they are or, beyond those, a recipe; the second says how much
/// longer the packet was on the wire.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const base::Bytes bytes(data + 2, size - 2);
  std::vector<capture::Packet> packets;
  if (data[0] < 128) {
    packets.push_back({.bytes = bytes, .time_ns = 1, .wire_bytes = static_cast<std::uint32_t>(size) + data[1] * 8u});
    decode_all(packets, kLinkTypes[data[0] % kLinkTypes.size()]);
    return 0;
  }
  Recipe recipe(bytes);
  const std::vector<Buffer> frames = frames_of(recipe);
  for (const Buffer& frame : frames) packets.push_back(test::packet_of(frame, 1 + packets.size() * data[1]));
  decode_all(packets, 1);
  return 0;
}
