// Makes a capture of generated traffic: the same bytes from the same arguments. Prints what is in it, as JSON.
//
// usage: hoptap-make-traffic KIND OUT [PACKETS] [SEED]
//   http    HTTP/1.1 keep-alive, 50 requests a connection, bodies of 200 B to 50 kB, 100 connections at once
//   small   a key-value protocol in packets of about 100 bytes, 10,000 connections at once
//   mixed   HTTP, TLS, key-value, DNS, datagrams and ICMP among each other, some of it IPv6, some with VLAN tags;
//           some responses with a late segment or a copy
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "talks.h"

namespace {

using namespace hoptap::bench;

constexpr std::uint64_t kBeginNs = 1'700'000'000'000'000'000;

struct Kind {
  std::string_view name;
  std::uint64_t packets;  ///< unless told otherwise
  std::uint32_t at_once;  ///< conversations
};
constexpr Kind kKinds[] = {{"http", 560'000, 100}, {"small", 3'000'000, 10'000}, {"mixed", 1'000'000, 400}};

/// Who talks to whom in conversation number `number`: no two use the same addresses and ports.
Ends ends_of(std::uint32_t number, std::uint16_t server_port) {
  constexpr std::array<std::uint16_t, 2> kVxlanPorts{4789, 8472};
  constexpr std::uint32_t kPorts = 60'000, kClients = 0x0a010000, kServers = 0x0a640001;
  const std::uint32_t mixed = number * 2654435761u;  // odd, so no number comes twice
  Ends ends;
  ends.address = {kClients + mixed / kPorts, kServers + number % 16};
  ends.port = {static_cast<std::uint16_t>(1024 + mixed % kPorts), server_port};
  for (std::uint16_t at = 0; at < kVxlanPorts.size(); ++at)  // a datagram to one of these may look like a tunnel's
    if (ends.port[0] == kVxlanPorts[at]) ends.port[0] = static_cast<std::uint16_t>(1024 + kPorts + at);
  return ends;
}

std::unique_ptr<Talk> mixed_talk(std::uint32_t number, Random& random) {
  constexpr std::uint16_t kHttp = 8080, kTls = 443, kKeyValue = 7379, kDns = 53, kMedia = 7078;
  const auto ends = [&](std::uint16_t port) {
    Ends made = ends_of(number, port);
    made.v6 = random.one_in(4);
    if (random.one_in(5)) made.vlan = {100, static_cast<std::uint16_t>(random.one_in(4) ? 7 : 0)};
    return made;
  };
  const std::uint32_t pick = random.below(100);
  if (pick < 20) return tcp_talk(ends(kHttp), {Speech::kHttp, 1 + random.below(40), 5000, 500, 10}, random);
  if (pick < 35) return tcp_talk(ends(kTls), {Speech::kTls, 2 + random.below(20), 5000, 500, 10}, random);
  if (pick < 50) return tcp_talk(ends(kKeyValue), {Speech::kTinyText, 5 + random.below(100), 3000, 200, 0}, random);
  if (pick < 90) return dns_talk(ends(kDns), 1 + random.below(2));
  if (pick < 95) return media_talk(ends(kMedia), 20 + random.below(200), random.one_in(2));
  return ping_talk(ends(0), 1 + random.below(5));
}

std::unique_ptr<Talk> talk_of(const Kind& kind, std::uint32_t number, Random& random) {
  if (kind.name == "http") return tcp_talk(ends_of(number, 80), {Speech::kHttp, 50, 10'000, 500, 0}, random);
  if (kind.name == "small") return tcp_talk(ends_of(number, 7379), {Speech::kTinyText, 20, 80'000, 20'000, 0}, random);
  return mixed_talk(number, random);
}

/// Conversations take turns by time; a new one begins when one ends, until there are enough packets.
void play(const Kind& kind, std::uint64_t packets, Stage& stage) {
  struct Turn {
    std::uint64_t time_ns;
    std::uint32_t number;  ///< decides between equal times
    std::size_t slot;
    bool operator<(const Turn& other) const {
      return time_ns != other.time_ns ? time_ns > other.time_ns : number > other.number;
    }
  };
  std::priority_queue<Turn> turns;
  std::vector<std::unique_ptr<Talk>> talks;
  constexpr std::uint64_t kPacketsEach = 100;  // fewer conversations at once in a short capture
  std::uint32_t number = 0;
  const std::size_t at_once = std::min<std::size_t>(kind.at_once, packets / kPacketsEach + 1);
  for (std::size_t slot = 0; slot < at_once; ++slot) {
    talks.push_back(talk_of(kind, number, stage.random));
    turns.push({kBeginNs + stage.random.below(100'000'000), number++, slot});
  }
  while (!turns.empty()) {
    const Turn turn = turns.top();
    turns.pop();
    stage.closing = stage.out.packets() >= packets;
    const auto pause_ns = talks[turn.slot]->step(stage, turn.time_ns);
    if (pause_ns) {
      turns.push({turn.time_ns + *pause_ns, turn.number, turn.slot});
    } else if (!stage.closing) {
      talks[turn.slot] = talk_of(kind, number, stage.random);
      turns.push({turn.time_ns + 1000 + stage.random.below(1'000'000), number++, turn.slot});
    } else {
      talks[turn.slot].reset();
    }
  }
}

void print(const CaptureWriter& out, const Truth& truth) {
  std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"flows\":%" PRIu64 ",\"http\":%" PRIu64
              ",\"dns\":%" PRIu64 ",\"opaque\":%" PRIu64 ",\"tls\":%" PRIu64 ",\"reordered\":%" PRIu64
              ",\"copies\":%" PRIu64 ",\"icmp\":%" PRIu64 "}\n",
              out.packets(), out.bytes(), truth.flows, truth.http, truth.dns, truth.opaque, truth.tls, truth.reordered,
              truth.copies, truth.icmp);
}

}  // namespace

int main(int count, char** arguments) {
  const Kind* chosen = nullptr;
  for (const Kind& kind : kKinds)
    if (count >= 3 && kind.name == arguments[1]) chosen = &kind;
  if (chosen == nullptr || count > 5) {
    std::fprintf(stderr, "usage: hoptap-make-traffic http|small|mixed OUT [PACKETS] [SEED]\n");
    return 2;
  }
  Random random(count > 4 ? std::strtoull(arguments[4], nullptr, 10) : 1);
  CaptureWriter out(arguments[2]);
  Truth truth;
  Stage stage{out, random, truth};
  play(*chosen, count > 3 ? std::strtoull(arguments[3], nullptr, 10) : chosen->packets, stage);
  print(out, truth);
}
