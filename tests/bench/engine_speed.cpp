// The engine alone, stage by stage: how much CPU time and memory it takes. Prints one line of JSON.
//
// usage: hoptap-engine-speed walk|decode|l4|l7 [--workers N] [--flows-max N] FILE...
//        hoptap-engine-speed idle FLOWS [--exchange]
//   walk     read the packets                   decode   and decode them
//   l4       and keep flows and TCP metrics     l7       and find messages and give out hop records
//   Each worker has sources, decoder and table of its own; file i is worker i % N's.
//   idle     so many connections of a handshake (and one exchange) in a table: bytes of memory for each
#include <algorithm>
#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "capture/file_source.h"
#include "counting_sink.h"
#include "decode/decoder.h"
#include "decode/mirror/mirror_splitter.h"
#include "flowtable/flow_table.h"
#include "idle_flows.h"
#include "measure.h"

namespace {

using namespace hoptap;

enum class Stage : std::uint8_t { kWalk, kDecode, kL4, kL7 };

struct Job {
  Stage stage{};
  std::size_t workers = 1;
  std::size_t flows_max = flowtable::FlowTableConfig{}.flows_max;
  std::vector<std::string> files;
};

/// What one worker did.
struct Done {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  double cpu_s = 0;
  std::string failure;
  bench::CountingSink sink;
  flowtable::FlowCounters counters;
  std::array<std::uint64_t, decode::kOutcomeCount> outcomes{};
};

flowtable::FlowTableConfig config_of(const Job& job) {
  flowtable::FlowTableConfig config;
  config.l7 = job.stage == Stage::kL7;
  config.metrics_interval_ns = 10'000'000'000;
  config.flows_max = job.flows_max;
  return config;
}

/// One file through the stages asked for.
void run_file(const Job& job, const std::string& path, Done& done) {
  auto opened = capture::open_file(path);
  if (!opened) {
    done.failure = path + " " + opened.error().what;
    return;
  }
  capture::Source& source = **opened;
  decode::Decoder decoder;
  decode::MirrorSplitter splitter(std::make_shared<decode::MirrorPoints>());
  std::unique_ptr<flowtable::FlowTable> table;
  if (job.stage >= Stage::kL4) table = std::make_unique<flowtable::FlowTable>(config_of(job), 0, done.sink);
  std::vector<capture::Packet> packets(capture::kBatchPackets);
  std::vector<decode::Decoded> decoded(capture::kBatchPackets);
  while (const std::size_t count = source.poll(packets)) {
    done.packets += count;
    if (job.stage == Stage::kWalk) continue;
    decoder.decode(std::span(packets).first(count), source.interfaces(), decoded);
    splitter.split(std::span(decoded).first(count), decoder.erspan_packets());
    if (table) table->add(std::span(decoded).first(count));
  }
  done.bytes += source.counters().bytes;
  for (std::size_t at = 0; at < done.outcomes.size(); ++at) done.outcomes[at] += decoder.counters()[at];
  if (!table) return;
  table->finish();
  flowtable::add(done.counters, table->counters());
}

void print(const std::vector<Done>& all, double wall_s) {
  Done sum;
  double slowest_s = 0;
  for (const Done& done : all) {
    sum.packets += done.packets;
    sum.bytes += done.bytes;
    sum.cpu_s += done.cpu_s;
    slowest_s = std::max(slowest_s, done.cpu_s);
    sum.sink.add(done.sink);
    add(sum.counters, done.counters);
    for (std::size_t at = 0; at < sum.outcomes.size(); ++at) sum.outcomes[at] += done.outcomes[at];
  }
  std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
              ",\"cpu_s\":%.4f,\"slowest_worker_s\":%.4f,\"wall_s\":%.4f,\"peak_kib\":%zu,\"legs\":%" PRIu64
              ",\"evicted\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"virtual_points\":%" PRIu64 ",\"gaps\":%" PRIu64
              ",\"held_refused_bytes\":%" PRIu64 ",\"exchanges_refused\":%" PRIu64 ",",
              sum.packets, sum.bytes, sum.cpu_s, slowest_s, wall_s, bench::peak_resident_kib(), sum.counters.legs,
              sum.counters.legs_evicted, sum.counters.duplicates, sum.counters.virtual_points, sum.counters.gaps,
              sum.counters.held_refused_bytes, sum.counters.exchanges_refused);
  for (std::size_t at = 0; at < sum.outcomes.size(); ++at)
    std::printf("\"%s_packets\":%" PRIu64 ",", decode::outcome_name(static_cast<decode::Outcome>(at)).data(),
                sum.outcomes[at]);
  sum.sink.print();
  std::printf("}\n");
}

int run(const Job& job) {
  std::vector<Done> all(job.workers);
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < job.workers; ++worker) {
    threads.emplace_back([&job, worker, &done = all[worker]] {
      const bench::CpuClock clock;
      for (std::size_t at = worker; at < job.files.size(); at += job.workers) run_file(job, job.files[at], done);
      done.cpu_s = clock.seconds();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
  for (const Done& done : all) {
    if (done.failure.empty()) continue;
    std::fprintf(stderr, "hoptap-engine-speed: %s\n", done.failure.c_str());
    return 3;
  }
  print(all, wall.count());
  return 0;
}

int usage() {
  std::fprintf(stderr,
               "usage: hoptap-engine-speed walk|decode|l4|l7 [--workers N] [--flows-max N] FILE...\n"
               "       hoptap-engine-speed idle FLOWS [--exchange]\n");
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  static constexpr std::array<std::string_view, 4> kStages{"walk", "decode", "l4", "l7"};
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() >= 2 && words[0] == "idle")
    return bench::measure_idle(std::strtoull(words[1].c_str(), nullptr, 10), words.back() == "--exchange");
  Job job;
  const auto stage = words.empty() ? kStages.end() : std::find(kStages.begin(), kStages.end(), words[0]);
  if (stage == kStages.end()) return usage();
  job.stage = static_cast<Stage>(stage - kStages.begin());
  for (std::size_t at = 1; at < words.size(); ++at) {
    const bool has_value = at + 1 < words.size();
    if (words[at] == "--workers" && has_value) {
      job.workers = std::max<std::size_t>(1, std::strtoull(words[++at].c_str(), nullptr, 10));
    } else if (words[at] == "--flows-max" && has_value) {
      job.flows_max = std::strtoull(words[++at].c_str(), nullptr, 10);
    } else {
      job.files.push_back(words[at]);
    }
  }
  return job.files.empty() ? usage() : run(job);
}
