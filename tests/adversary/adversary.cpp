// hoptap-adversary CASE PACKETS [--seed N]: plays one case of adversarial packets into the engine and prints what it
// made of them; adversary_test.py counts the instructions that takes. Without arguments: the names of the cases.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "feed.h"

namespace {

using namespace hoptap;
using namespace hoptap::adversary;

constexpr std::array kAll{reassembly_cases, message_cases, exchange_cases, flow_cases, frame_cases};

/// Limits that such traffic reaches, and that are wider for more of it.
flowtable::FlowTableConfig limits(std::size_t packets, std::uint64_t seed) {
  flowtable::FlowTableConfig config;
  config.flows_max = packets / 8;
  config.ledgers_max = packets / 16;
  config.held_bytes_flow_max = 16 * packets;
  config.held_bytes_max = 64 * packets;
  config.head_bytes_max = 4 * packets;
  config.exchanges_flow_max = packets / 8;
  config.metrics_interval_ns = kSecond;
  config.key.seed = seed;
  return config;
}

const Case* find(const char* name) {
  for (const auto& cases : kAll)
    for (const Case& one : cases())
      if (one.name == name) return &one;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const auto& cases : kAll)
      for (const Case& one : cases()) std::printf("%.*s\n", static_cast<int>(one.name.size()), one.name.data());
    return 0;
  }
  const Case* const wanted = find(argv[1]);
  const std::size_t packets = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const bool seeded = argc == 5 && std::strcmp(argv[3], "--seed") == 0;
  if (wanted == nullptr || packets < 256 || (argc != 3 && !seeded)) {
    std::fprintf(stderr, "usage: hoptap-adversary CASE PACKETS [--seed N]    at least 256 packets\n");
    return 2;
  }
  const std::uint64_t seed = seeded ? std::strtoull(argv[4], nullptr, 10) : 0;
  decode::DecodeConfig decode;
  decode.reassembly.datagrams_max = static_cast<std::uint32_t>(packets / 8);
  decode.reassembly.bytes_max = static_cast<std::uint32_t>(128 * packets);
  Feed feed(limits(packets, seed), decode, packets, 1);
  wanted->play(feed);
  const std::size_t live = feed.table.live_legs(), held = feed.table.held_bytes();
  feed.table.finish();
  const flowtable::FlowCounters& counters = feed.table.counters();
  std::printf("{\"case\":\"%s\",\"packets\":%zu,\"live\":%zu,\"held\":%zu,\"legs\":%" PRIu64 ",\"hops\":%" PRIu64
              ",\"answered\":%" PRIu64 ",\"reports\":%" PRIu64 ",\"evicted\":%" PRIu64 ",\"duplicates\":%" PRIu64
              ",\"gaps\":%" PRIu64 ",\"resyncs\":%" PRIu64 ",\"exchanges_refused\":%" PRIu64 "}\n",
              argv[1], packets, live, held, feed.counts.legs, feed.counts.hops, feed.counts.answered,
              feed.counts.reports, counters.legs_evicted, counters.duplicates, counters.gaps, counters.resyncs,
              counters.exchanges_refused);
  return 0;
}
