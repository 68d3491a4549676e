// Floods of flows, keys that collide, wires and encapsulations without number, clocks that go anywhere.
#include <bit>
#include <vector>

#include "feed.h"

namespace hoptap::adversary {
namespace {

using decode::Decoded;
namespace tcp_flag = decode::tcp_flag;

base::Endpoint anyone(Feed& feed) { return endpoint(feed.random(), static_cast<std::uint16_t>(feed.random())); }
const base::Endpoint kServer = endpoint(0x0a000002, 80);

Decoded segment(const base::Endpoint& source, const base::Endpoint& target, std::uint8_t flags) {
  Decoded packet = packet_between(source, target);
  packet.tcp.flags = flags;
  packet.tcp.window = 60000;
  return packet;
}

void syn_flood(Feed& feed) {
  while (feed.more()) {
    Decoded packet = segment(anyone(feed), kServer, tcp_flag::kSyn);
    packet.tcp.sequence = feed.random();
    feed.put(packet);
  }
}

/// The flood's SYNs get answers, as from a server with SYN cookies.
void syn_flood_answered(Feed& feed) {
  while (feed.more()) {
    const base::Endpoint client = anyone(feed);
    Decoded syn = segment(client, kServer, tcp_flag::kSyn);
    syn.tcp.sequence = feed.random();
    feed.put(syn);
    Decoded answer = segment(kServer, client, tcp_flag::kSyn | tcp_flag::kAck);
    answer.tcp.acknowledgment = syn.tcp.sequence + 1;
    feed.put(answer);
  }
}

/// A new connection on the same ports with every packet.
void syn_reuse(Feed& feed) {
  while (feed.more()) {
    Decoded packet = segment(endpoint(0x0a000001, 40000), kServer, tcp_flag::kSyn);
    packet.tcp.sequence = feed.random();
    feed.put(packet);
  }
}

void ack_flood(Feed& feed) {
  while (feed.more()) {
    Decoded packet = segment(anyone(feed), kServer, tcp_flag::kAck);
    packet.tcp.sequence = feed.random();
    packet.tcp.acknowledgment = feed.random();
    feed.put(packet);
  }
}

/// Random acknowledgments and positions in one connection.
void wild_segments(Feed& feed) {
  Talk talk(feed);
  talk.open();
  while (feed.more()) {
    const bool back = feed.random.below(2) == 0;
    const base::Endpoint client = endpoint(0x0a000001, 20001);
    Decoded packet = segment(back ? kServer : client, back ? client : kServer,
                             static_cast<std::uint8_t>(tcp_flag::kAck | (feed.random() & tcp_flag::kFin)));
    packet.tcp.sequence = feed.random();
    packet.tcp.acknowledgment = feed.random();
    packet.tcp.sack_blocks = feed.random() & 3;
    packet.payload = base::as_bytes(std::string_view("abcd"));
    packet.payload_wire_bytes = 4;
    feed.put(packet);
  }
}

void udp_flood(Feed& feed) {
  while (feed.more()) {
    Decoded packet = datagram(anyone(feed), anyone(feed), "x");
    feed.put(packet);
  }
}

/// One-packet flows at one moment, in which no report falls due.
void udp_flood_still(Feed& feed) {
  feed.step_ns = 0;
  udp_flood(feed);
}

/// Each flow behind other MACs, VLANs, VNIs and tunnel ends.
void vantages(Feed& feed) {
  while (feed.more()) {
    Decoded packet = segment(anyone(feed), kServer, tcp_flag::kSyn);
    packet.tcp.sequence = feed.random();
    for (std::uint8_t& byte : packet.link.source.bytes) byte = static_cast<std::uint8_t>(feed.random());
    packet.link.vlan_count = 2;
    packet.link.vlans = {static_cast<std::uint16_t>(feed.random.below(4096)), 7};
    packet.tunnels.depth = static_cast<std::uint8_t>(feed.random.below(base::TunnelStack::kDepthMax + 1));
    for (std::size_t at = 0; at < packet.tunnels.depth; ++at) {
      base::Tunnel& tunnel = packet.tunnels.layers[at];
      tunnel.type = base::TunnelType::kVxlan;
      tunnel.id = feed.random() & 0xffffff;
      tunnel.source = tunnel.target = endpoint(feed.random(), 0).address;
    }
    feed.put(packet);
  }
}

/// One connection that every packet shows behind another tunnel.
void vnis(Feed& feed) {
  while (feed.more()) {
    Decoded packet = segment(endpoint(0x0a000001, 40000), kServer, tcp_flag::kAck);
    packet.ip_id = static_cast<std::uint16_t>(feed.random());
    packet.payload = base::as_bytes(std::string_view("x"));
    packet.payload_wire_bytes = 1;
    packet.tunnels.depth = 1;
    packet.tunnels.layers[0].id = feed.random() & 0xffffff;
    feed.put(packet);
  }
}

/// Each packet on eight wires, and on a ninth.
void twins(Feed& feed) {
  std::uint32_t sequence = 1;
  while (feed.more()) {
    Decoded packet = segment(endpoint(0x0a000001, 40000), kServer, tcp_flag::kAck);
    packet.ip_id = static_cast<std::uint16_t>(sequence);
    packet.tcp.sequence = sequence++;
    packet.payload = base::as_bytes(std::string_view("x"));
    packet.payload_wire_bytes = 1;
    for (std::uint8_t wire = 0; wire < 9 && feed.more(); ++wire) {
      packet.ttl = static_cast<std::uint8_t>(64 - wire);
      packet.link.source.bytes[5] = wire;
      feed.put(packet);
    }
  }
}

/// Twice as many keys as there may be flows, all of which have one of 16 places in the index when the seed is 0.
std::vector<Decoded> colliding(std::size_t flows_max) {
  const std::size_t places = std::bit_ceil(flows_max * 4 / 3);  // as FlowIndex has
  std::vector<Decoded> found;
  for (std::uint32_t number = 0; found.size() < 2 * flows_max; ++number) {
    const base::Endpoint client = endpoint(0x0b000000 + (number >> 16), static_cast<std::uint16_t>(number));
    Decoded packet = segment(client, kServer, tcp_flag::kSyn);
    flowtable::PacketKey key;
    flowtable::fill_key(packet, {}, key);
    if (key.hash % places < 16) found.push_back(packet);
  }
  return found;
}

void colliding_keys(Feed& feed) {
  std::vector<Decoded> packets = colliding(feed.wanted() / 8);
  while (feed.more())
    for (std::size_t at = 0; at < packets.size() && feed.more(); ++at) feed.put(packets[at]);
}

/// Time goes back with every packet.
void time_back(Feed& feed) {
  feed.step_ns = ~std::uint64_t{0} - kMillisecond + 1;
  udp_flood(feed);
}

/// Every 1000 packets all flows have been idle for long.
void time_jumps(Feed& feed) {
  while (feed.more()) {
    for (int at = 0; at < 1000 && feed.more(); ++at) {
      Decoded packet = datagram(anyone(feed), anyone(feed), "x");
      feed.put(packet);
      packet.ip_id = 1;
      feed.put(packet);
    }
    feed.now_ns += 1000 * kSecond;
  }
}

/// The ends of time, and what lies between.
void time_ends(Feed& feed) {
  constexpr std::array<std::uint64_t, 4> kTimes{0, ~std::uint64_t{0}, kBegin, ~std::uint64_t{0} - kSecond};
  feed.step_ns = 0;
  while (feed.more()) {
    feed.now_ns = kTimes[feed.random.below(4)];
    Decoded packet = datagram(anyone(feed), kServer, "x");
    feed.put(packet);
  }
}

/// A full table each of whose flows becomes due on its own.
void idle_flows(Feed& feed) {
  feed.step_ns = 300 * kSecond / (feed.wanted() / 8) + 1;
  for (std::uint32_t at = 0; feed.more(); ++at) {
    const base::Endpoint client = endpoint(0x0b000000 + at, 40000);
    for (const std::string_view payload : {"", "x"}) {
      Decoded packet = segment(client, kServer, tcp_flag::kAck);
      packet.tcp.sequence = 1;
      packet.payload = base::as_bytes(payload);
      packet.payload_wire_bytes = static_cast<std::uint32_t>(payload.size());
      feed.put(packet);
    }
  }
}

/// ICMP errors about flows that are and that are not.
void icmp_errors(Feed& feed) {
  while (feed.more()) {
    Decoded packet = datagram(endpoint(0x0a000001, static_cast<std::uint16_t>(feed.random())), kServer, "x");
    feed.put(packet);
    Decoded error = packet_between(kServer, packet.source);
    error.outcome = decode::Outcome::kIcmp;
    error.icmp.quoted = {feed.random.below(2) == 0 ? packet.source : anyone(feed), kServer, 17, true};
    feed.put(error);
  }
}

constexpr std::array kCases{
    Case{"syn_flood", syn_flood},
    Case{"syn_flood_answered", syn_flood_answered},
    Case{"syn_reuse", syn_reuse},
    Case{"ack_flood", ack_flood},
    Case{"wild_segments", wild_segments},
    Case{"udp_flood", udp_flood},
    Case{"udp_flood_still", udp_flood_still},
    Case{"vantages", vantages},
    Case{"vnis", vnis},
    Case{"twins", twins},
    Case{"colliding_keys", colliding_keys},
    Case{"time_back", time_back},
    Case{"time_jumps", time_jumps},
    Case{"time_ends", time_ends},
    Case{"idle_flows", idle_flows},
    Case{"icmp_errors", icmp_errors},
};

}  // namespace

std::span<const Case> flow_cases() { return kCases; }

}  // namespace hoptap::adversary
