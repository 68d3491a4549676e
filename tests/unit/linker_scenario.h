// Synthetic hop records of one path with known faults, and the whole linker run over them. For tests only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "linker/baseline.h"
#include "linker/joiner.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"

namespace hoptap::test {

using flowtable::HopRecord;
using flowtable::MessageRecord;
namespace record_flag = flowtable::record_flag;

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kUs = 1'000;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(base::hash_values(seed, 78)) {}  // far apart: no shared streams
  std::uint64_t next() { return base::hash_values(state_++, 77); }
  double uniform() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  bool chance(double share) { return uniform() < share; }
  std::int64_t exponential(std::int64_t mean) {
    return static_cast<std::int64_t>(-std::log(1 - uniform()) * static_cast<double>(mean));
  }

 private:
  std::uint64_t state_;
};

struct SitePoint {
  std::string name;
  std::string role;
  std::int64_t clock_ns = 0;  ///< added to all its times
  bool captured = true;
  double missed = 0;  ///< share of requests its capture does not have
  std::uint8_t routers_before = 0;
};

/// What happens to the requests; all shares are per request.
struct Scenario {
  std::uint64_t requests = 300;
  std::uint64_t seed = 1;
  std::vector<SitePoint> site = {
      {"pod-a", "pod", 0, true, 0, 0},        {"node-a", "node", 0, true, 0, 1},
      {"switch-a", "switch", 0, true, 0, 1},  {"switch-b", "switch", 0, true, 0, 1},
      {"gateway", "gateway", 0, true, 0, 1},  {"node-b", "node", 0, true, 0, 2},
      {"node-b-veth", "node", 0, true, 0, 3}, {"pod-b", "pod", 0, true, 0, 3},
  };
  std::size_t wire = 2;  ///< the faulty segment: from site[wire] to site[wire + 1]
  std::int64_t wire_extra_ns = 0;
  double extra_from = 0, extra_to = 1;  ///< share of the run that the extra delays cover
  double loss = 0;                      ///< per direction, on the wire
  double server_slow = 0;
  std::int64_t server_extra_ns = 40 * kMs;
  std::int64_t kernel_extra_ns = 0;  ///< for the same share of requests
  double client_slow = 0;
  std::int64_t client_extra_ns = 30 * kMs;
  double nagle = 0;
  double outliers = 0.01;  ///< some ms anywhere: a busy host
  double datagrams = 0.15;
  double large = 0.1;  ///< responses or requests up to 1 MB
  bool timestamps = true;
  bool handshakes = true;
  bool nat = false;
  std::uint64_t connections = 40;
  bool reversed = false;  ///< the client is at the far end of the site
  std::int64_t start_ns = 1'700'000'000'000'000'000;
};

inline std::vector<std::size_t> way_of(const Scenario& scenario) {
  std::vector<std::size_t> way;
  for (std::size_t at = 0; at < scenario.site.size(); ++at) way.push_back(at);
  if (scenario.reversed) std::reverse(way.begin(), way.end());
  return way;
}

/// Ids in alphabetical order of the names: they say nothing of the path.
inline std::uint32_t point_id(const Scenario& scenario, std::size_t at) {
  std::uint32_t id = 0;
  for (const SitePoint& other : scenario.site) id += other.name < scenario.site[at].name ? 1 : 0;
  return id;
}

inline linker::PointTable point_table(const Scenario& scenario) {
  linker::PointTable table;
  for (std::size_t at = 0; at < scenario.site.size(); ++at) {
    table.add({point_id(scenario, at), scenario.site[at].name, scenario.site[at].role, {}});
  }
  return table;
}

/// The life of one request along the way, by one true clock.
struct Life {
  std::uint64_t number = 0;
  std::int64_t start_ns = 0;
  bool datagram = false;
  std::uint64_t request_bytes = 100, response_bytes = 300;
  std::vector<std::int64_t> forth, back;  ///< one-way delay of each segment
  std::int64_t client_send = 0, held = 0, kernel = 20 * kUs, process = 0, server_send = 0;
  std::int64_t request_rto = 0, response_rto = 0;  ///< > 0: the first copy was lost on the wire
};

inline std::int64_t sum_of(const std::vector<std::int64_t>& values) {
  std::int64_t sum = 0;
  for (const std::int64_t value : values) sum += value;
  return sum;
}

/// Time that the bytes take to send: window doubling from 14600 bytes, and 1 Gbit/s.
inline std::int64_t sending_ns(std::uint64_t bytes, std::int64_t round_trip) {
  std::int64_t flights = 0;
  for (std::uint64_t sent = 14600, window = 14600; sent < bytes; window *= 2, sent += window) ++flights;
  return flights * round_trip + static_cast<std::int64_t>(bytes) * 8;
}

inline Life live(const Scenario& scenario, std::uint64_t number, Random& random) {
  Life life;
  life.number = number;
  life.start_ns = scenario.start_ns + static_cast<std::int64_t>(number) * 10 * kMs + random.exponential(2 * kMs);
  const std::size_t segments = scenario.site.size() - 1;
  const double progress = static_cast<double>(number) / static_cast<double>(scenario.requests);
  const bool in_fault = progress >= scenario.extra_from && progress < scenario.extra_to;
  const std::size_t wire = scenario.reversed ? segments - 1 - scenario.wire : scenario.wire;
  for (std::size_t at = 0; at < segments; ++at) {
    life.forth.push_back(5 * kUs + random.exponential(3 * kUs));
    life.back.push_back(5 * kUs + random.exponential(3 * kUs));
  }
  if (in_fault) life.forth[wire] += scenario.wire_extra_ns;
  if (random.chance(scenario.outliers)) {
    (random.chance(0.5) ? life.forth : life.back)[random.next() % segments] += 1 * kMs + random.exponential(3 * kMs);
  }
  life.datagram = random.chance(scenario.datagrams);
  life.process = 80 * kUs + random.exponential(60 * kUs);
  if (random.chance(scenario.outliers)) life.process += 1 * kMs + random.exponential(3 * kMs);
  if (random.chance(scenario.server_slow)) {
    life.process += scenario.server_extra_ns;
    life.kernel += scenario.kernel_extra_ns;
  }
  if (!life.datagram) {
    const std::int64_t round_trip = sum_of(life.forth) + sum_of(life.back);
    if (random.chance(scenario.large)) {
      (random.chance(0.4) ? life.request_bytes : life.response_bytes) = 20'000 + random.next() % 1'000'000;
    }
    life.client_send = sending_ns(life.request_bytes, round_trip);
    life.server_send = sending_ns(life.response_bytes, round_trip);
    if (random.chance(scenario.client_slow)) life.client_send += scenario.client_extra_ns;
    if (random.chance(scenario.nagle)) {
      life.held = 40 * kMs + random.exponential(200 * kUs);
      life.client_send += life.held + round_trip;
    }
  }
  const std::int64_t rto = life.datagram ? 1000 * kMs : 204 * kMs + random.exponential(4 * kMs);
  if (random.chance(scenario.loss)) life.request_rto = rto;
  if (random.chance(scenario.loss)) life.response_rto = rto;
  return life;
}

/// A message whose first copy may have been lost behind the place `wire` of its own way (0: the sender's point).
inline MessageRecord message_at(std::int64_t first, std::int64_t sending, std::int64_t rto, bool beyond,
                                std::uint32_t tsval, std::uint16_t ip_id) {
  MessageRecord message;
  message.first_ns = static_cast<std::uint64_t>(first + (beyond ? rto : 0));
  message.last_ns = message.first_ns + static_cast<std::uint64_t>(sending);
  message.tsval = tsval + (beyond && rto > 0 ? 205 : 0);
  message.tsecr = 5;
  message.ip_id = static_cast<std::uint16_t>(ip_id + (beyond && rto > 0 ? 1 : 0));
  if (rto > 0 && !beyond) {
    message.copies = 1;
    message.retransmissions = 1;
    message.copy[0] = {static_cast<std::uint64_t>(rto), tsval + 205, static_cast<std::uint16_t>(ip_id + 1)};
    message.last_copy_ns = message.first_ns + static_cast<std::uint64_t>(rto);
  }
  return message;
}

inline void fill_names(const Scenario& scenario, const Life& life, std::size_t place, HopRecord& record) {
  const std::uint64_t connection = life.number % scenario.connections;
  const bool translated = scenario.nat && place >= 5;
  const std::array<std::uint8_t, 4> client{10, 0, static_cast<std::uint8_t>(scenario.reversed ? 2 : 1), 9};
  const std::array<std::uint8_t, 4> server{10, 0, static_cast<std::uint8_t>(scenario.reversed ? 1 : 2), 10};
  const std::array<std::uint8_t, 4> virtual_server{10, 96, 0, 1};
  record.client = {base::IpAddress::from(client),
                   static_cast<std::uint16_t>(30000 + connection + (translated ? 9 : 0))};
  record.server = {base::IpAddress::from(scenario.nat && !translated ? virtual_server : server), 80};
  record.transport = life.datagram ? 17 : 6;
  record.leg_id = base::hash_values(record.point, connection, life.datagram ? life.number : 0, record.transport);
  record.flags = scenario.handshakes && !life.datagram ? record_flag::kHandshakeSeen : 0;
  if (scenario.handshakes && !life.datagram) {
    record.client_isn = static_cast<std::uint32_t>(base::hash_values(connection, 1));
    record.server_isn = static_cast<std::uint32_t>(base::hash_values(connection, 2));
  }
  record.protocol = life.datagram ? "dns" : "http";
  record.method = life.datagram ? "QUERY" : "GET";
  record.resource = life.datagram ? "shop.example" : "/item/" + std::to_string(life.number % 7);
  record.endpoint = life.datagram ? "A" : "shop.example";
  record.status = life.datagram ? 0 : 200;
  record.has_status = true;
  record.key = life.datagram ? base::hash_values(life.number, 3) & 0xffff : 0;
  record.canonical_hash = base::hash_bytes(base::as_bytes(record.resource));
}

inline HopRecord sighting(const Scenario& scenario, const Life& life, std::size_t place, std::size_t site_at,
                          Random& random) {
  const std::size_t segments = life.forth.size();
  const std::size_t wire = scenario.reversed ? segments - 1 - scenario.wire : scenario.wire;
  std::int64_t out = 0, in = 0;
  for (std::size_t at = 0; at < place; ++at) out += life.forth[at];
  for (std::size_t at = place; at < segments; ++at) in += life.back[at];
  HopRecord record;
  record.point = point_id(scenario, site_at);
  fill_names(scenario, life, place, record);
  const std::int64_t clock = scenario.site[site_at].clock_ns;
  const auto stamp_noise = [&] { return static_cast<std::int64_t>(random.next() % 400); };
  const std::int64_t server_start =
      life.start_ns + life.client_send + sum_of(life.forth) + life.request_rto + life.kernel + life.process;
  const auto tsval = static_cast<std::uint32_t>(life.start_ns / kMs);
  record.request = message_at(life.start_ns + out + clock + stamp_noise(), life.client_send, life.request_rto,
                              place > wire, tsval, static_cast<std::uint16_t>(life.number * 4 + 1));
  record.response = message_at(server_start + in + clock + stamp_noise(), life.server_send, life.response_rto,
                               place <= wire, tsval + 999, static_cast<std::uint16_t>(life.number * 4 + 3));
  record.request.bytes = life.request_bytes;
  record.response.bytes = life.response_bytes;
  record.request.head_hash = base::hash_values(life.number % 7, 5);
  const std::uint8_t routers = scenario.site[site_at].routers_before;
  const std::uint8_t all = scenario.site.back().routers_before;
  record.request.ttl = static_cast<std::uint8_t>(64 - (scenario.reversed ? all - routers : routers));
  record.response.ttl = static_cast<std::uint8_t>(64 - (scenario.reversed ? routers : all - routers));
  if (!life.datagram) {
    const std::uint64_t ack_way = static_cast<std::uint64_t>(2 * (sum_of(life.forth) - out));
    record.request.ack_ns = record.request.last_ns + static_cast<std::uint64_t>(life.kernel) + ack_way;
    record.request.sequence = static_cast<std::uint32_t>(base::hash_values(life.number, 11));
    record.request.end_sequence = record.request.sequence + static_cast<std::uint32_t>(life.request_bytes);
    record.response.sequence = static_cast<std::uint32_t>(base::hash_values(life.number, 12));
    record.response.end_sequence = record.response.sequence + static_cast<std::uint32_t>(life.response_bytes);
    record.request.ack_wait_ns = static_cast<std::uint64_t>(life.held) + (life.held > 0 ? ack_way : 0);
    record.request.ack_release_ns = life.held > 0 ? static_cast<std::uint64_t>(2 * out + 10 * kUs) : 0;
  }
  if (life.datagram || !scenario.timestamps) {
    record.request.tsval = record.request.tsecr = record.response.tsval = record.response.tsecr = 0;
    for (flowtable::Copy& copy : record.request.copy) copy.tsval = 0;
    for (flowtable::Copy& copy : record.response.copy) copy.tsval = 0;
  }
  return record;
}

/// All records, each point's in time order, one point after the other.
inline std::vector<HopRecord> records_of(const Scenario& scenario) {
  Random random(scenario.seed);
  std::map<std::uint32_t, std::vector<HopRecord>> by_point;
  for (std::uint64_t number = 0; number < scenario.requests; ++number) {
    const Life life = live(scenario, number, random);
    const std::vector<std::size_t> way = way_of(scenario);
    for (std::size_t place = 0; place < way.size(); ++place) {
      const SitePoint& point = scenario.site[way[place]];
      HopRecord record = sighting(scenario, life, place, way[place], random);
      record.record_id = number + 1;
      const bool missed = random.chance(point.missed);
      if (point.captured && !missed) by_point[record.point].push_back(std::move(record));
    }
  }
  std::vector<HopRecord> all;
  for (auto& [point, records] : by_point) {
    for (HopRecord& record : records) all.push_back(std::move(record));
  }
  return all;
}

/// The whole linker over some records.
struct Analysis {
  linker::JoinCounters join;
  std::vector<linker::RouteSummary> routes;
  std::vector<linker::Trace> traces;
  std::vector<linker::Judgement> judgements;
  linker::RunVerdict verdict;
};

inline Analysis analyse(std::vector<HopRecord> records, const linker::PointTable& points,
                        linker::JoinLimits limits = {}) {
  Analysis analysis;
  std::vector<linker::Group> groups;
  linker::RunModel model(points);
  linker::Joiner joiner(limits, [&](linker::Group&& group) { groups.push_back(std::move(group)); });
  for (HopRecord& record : records) joiner.add(std::move(record));
  joiner.flush();
  analysis.join = joiner.counters();
  model.learn_run(groups);
  analysis.routes = model.paths().routes();
  for (linker::Group& group : groups) analysis.traces.push_back(model.trace_of(std::move(group)));
  const linker::Judge judge(model.baseline());
  linker::RunJudge run;
  for (const linker::Trace& trace : analysis.traces) {
    analysis.judgements.push_back(judge.judge(trace));
    run.add(trace, analysis.judgements.back());
  }
  analysis.verdict = run.finish();
  return analysis;
}

inline Analysis analyse(const Scenario& scenario) { return analyse(records_of(scenario), point_table(scenario)); }

}  // namespace hoptap::test
