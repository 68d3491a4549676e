// How fast the tracer takes batches, joins, judges and stores them, each beside a floor.
// usage: hoptap-tracer-speed CAPTURE... ; each capture is a probe's. Prints rows of a Markdown table.
#include <fmt/format.h>
#include <sqlite3.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>

#include "appliance/analysis.h"
#include "appliance/tracer/engine.h"
#include "appliance/tracer/ingest.h"
#include "appliance/tracer/trace_writer.h"
#include "base/hash.h"
#include "export/trace_codec.h"
#include "linker/window.h"
#include "tests/bench/batches.h"
#include "tests/bench/measure.h"
#include "tests/store/demo_run.h"

namespace {

using namespace hoptap;
using exporting::Store;

constexpr std::size_t kRecordsPerBatch = 1000;
constexpr std::uint64_t kPasses = 5;  // of ingest, over the same batches under new numbers

/// A process's time on its cores, and the time that passes.
struct Took {
  double cpu_s = 0;
  double wall_s = 0;
};

template <class Work>
Took time(Work work) {
  const auto began = std::chrono::steady_clock::now();
  const bench::CpuClock cpu(CLOCK_PROCESS_CPUTIME_ID);
  work();
  return {cpu.seconds(), std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()};
}

void row(std::string_view what, double count, Took took, std::string_view more = "") {
  fmt::print("| {} | {:.0f} | {:.0f} | {} |\n", what, count / took.cpu_s, count / took.wall_s, more);
  std::fflush(stdout);
}

std::string times_floor(Took took, Took floor) { return fmt::format("{:.1f} x floor", took.cpu_s / floor.cpu_s); }

/// The end of the program with these words, for what cannot go on.
template <class Value>
Value must(base::Outcome<Value> outcome) {
  if (!outcome) {
    fmt::print(stderr, "hoptap-tracer-speed: {}\n", outcome.error().what);
    std::exit(1);
  }
  if constexpr (!std::is_void_v<Value>) return std::move(*outcome);
}

std::unique_ptr<Store> open_store(const testing::TestFolder& folder) {
  return must(Store::open({.folder = folder.path(), .retention = {.age_s = 1u << 30, .bytes_max = 1ull << 40}}));
}

/// What the probes send.
struct Load {
  bench::Batches sent;
  std::vector<std::string> payloads;  ///< [i]: of sent.batches[i]
  std::size_t points = 0;

  double records() const { return static_cast<double>(sent.hops + sent.legs); }
  double hops() const { return static_cast<double>(sent.hops); }
};

Load load_of(const std::vector<std::string>& files) {
  Load load{bench::Batches(appliance::names_of_files(files), kRecordsPerBatch), {}, files.size()};
  auto replay = must(appliance::Replay::open(files, {}, load.sent));
  while (replay.step()) {
  }
  for (const exporting::Batch& batch : load.sent.batches)
    load.payloads.push_back(exporting::compress(exporting::encode_batch(batch)));
  return load;
}

/// Batches in and acknowledged. @return commits
std::uint64_t take_in(const Load& load, appliance::Ingest& ingest) {
  std::vector<exporting::ProbeHello> probes(load.points);
  for (std::size_t at = 0; at < probes.size(); ++at) {
    probes[at].probe = fmt::format("probe-{}", at);
    probes[at].instance = fmt::format("{:016}", at);
    must(ingest.welcome(probes[at]));
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t stored = 0;
  for (std::uint64_t pass = 0; pass < kPasses; ++pass) {
    for (std::size_t at = 0; at < load.payloads.size(); ++at) {
      const exporting::Batch& batch = load.sent.batches[at];
      exporting::ReceivedBatch received;
      received.sequence = pass * load.payloads.size() + at + 1;
      received.records = static_cast<std::uint32_t>(batch.hops.size() + batch.legs.size());
      received.coding = "zstd";
      received.payload = load.payloads[at];
      ingest.store(probes[load.sent.probes[at]], std::move(received), [&](const exporting::StoreResult& result) {
        if (result.outcome != exporting::StoreOutcome::kStored) must<void>(tl::unexpected(base::Failure{result.words}));
        const std::lock_guard lock(mutex);
        ++stored;
        changed.notify_one();
      });
    }
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return stored == kPasses * load.payloads.size(); });
  return ingest.counters().commits;
}

/// One blob a row, durable after each commit or, when not, as the store writes traces. @return what it took
Took blobs_into_sqlite(const std::vector<std::string>& blobs, std::uint64_t passes, std::uint64_t commits,
                       bool durable) {
  const testing::TestFolder folder;
  sqlite3* db = nullptr;
  sqlite3_open((folder.path() + "/floor.sqlite").c_str(), &db);
  const std::string setup = fmt::format(
      "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = {};"
      "CREATE TABLE t(n INTEGER PRIMARY KEY, id INTEGER UNIQUE, body BLOB)",
      durable ? "FULL" : "NORMAL");
  sqlite3_exec(db, setup.c_str(), nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t(id, body) VALUES(?, ?)", -1, &insert, nullptr);
  const std::uint64_t rows = passes * blobs.size();
  const Took took = time([&] {
    sqlite3_exec(db, "BEGIN", nullptr, nullptr, nullptr);
    for (std::uint64_t at = 0; at < rows; ++at) {
      if (at > 0 && at * commits / rows != (at - 1) * commits / rows)
        sqlite3_exec(db, "COMMIT; BEGIN", nullptr, nullptr, nullptr);
      const std::string& blob = blobs[at % blobs.size()];
      sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(base::hash_values(at, 17)));
      sqlite3_bind_blob64(insert, 2, blob.data(), blob.size(), SQLITE_STATIC);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  });
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return took;
}

void measure_ingest(const Load& load) {
  const testing::TestFolder folder;
  const auto store = open_store(folder);
  std::uint64_t commits = 0;
  const Took took = time([&] {
    appliance::Ingest ingest(*store, [] {});
    commits = take_in(load, ingest);
  });
  const Took floor = blobs_into_sqlite(load.payloads, kPasses, commits, true);
  const double records = static_cast<double>(kPasses) * load.records();
  row("ingest: unpack, decode, check, store, acknowledge", records, took,
      fmt::format("{}; {} batches of {} in {} commits", times_floor(took, floor), kPasses * load.payloads.size(),
                  kRecordsPerBatch, commits));
  row("floor: the same payloads and commits into SQLite", records, floor, "fsync at each");
}

void measure_join(const Load& load) {
  const std::size_t before = bench::allocated_bytes();
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> map;
  const Took floor = time([&] {
    for (const exporting::Batch& batch : load.sent.batches)
      for (const flowtable::HopRecord& hop : batch.hops)
        map.emplace(base::hash_values(hop.leg_id, hop.record_id), hop.point);
  });
  const double floor_bytes = static_cast<double>(bench::allocated_bytes() - before) / load.hops();

  linker::WindowLimits limits;
  limits.records_max = load.sent.hops + 1;
  linker::Window window(limits);
  std::vector<std::vector<flowtable::HopRecord>> decoded;
  for (std::size_t at = 0; at < load.sent.batches.size(); ++at) {
    decoded.push_back(load.sent.batches[at].hops);
    for (flowtable::HopRecord& hop : decoded.back()) hop.point = static_cast<std::uint32_t>(load.sent.probes[at]);
  }
  const std::size_t empty = bench::allocated_bytes();
  std::uint64_t tag = 0;
  const Took took = time([&] {
    for (const auto& hops : decoded)
      for (const flowtable::HopRecord& hop : hops) window.add(hop, ++tag);
  });
  const double bytes = static_cast<double>(bench::allocated_bytes() - empty) / load.hops();
  row("join: Window::add", load.hops(), took,
      fmt::format("{}; {:.0f} bytes a waiting record, {:.1f} x floor", times_floor(took, floor), bytes,
                  bytes / floor_bytes));
  row("floor: one 64-bit key a record into a hash map", load.hops(), floor, fmt::format("{:.0f} bytes", floor_bytes));
}

/// All batches through the engine. Its traces are in `store` afterwards.
void measure_engine(const Load& load, Store& store) {
  std::vector<exporting::InboxBatch> inbox;
  for (std::size_t at = 0; at < load.payloads.size(); ++at) {
    const exporting::Batch& batch = load.sent.batches[at];
    const auto records = static_cast<std::uint32_t>(batch.hops.size() + batch.legs.size());
    inbox.push_back(
        {fmt::format("{:016}", load.sent.probes[at]), "probe", at + 1, records, "zstd", load.payloads[at], ""});
  }
  must(store.append(inbox));
  appliance::EngineConfig config;
  config.window.records_max = load.sent.hops + load.sent.legs + 1;
  appliance::Engine engine(store, config);
  const Took read = time([&] {
    while (must(engine.read(1))) {
    }
  });
  const Took first = time([&] { must(engine.round(true)); });
  const Took again = time([&] { must(engine.round(true)); });
  row("engine: read the inbox into the window", load.records(), read);
  row("engine: a round, all traces new", load.hops(), first,
      fmt::format("{} traces written", engine.counters().traces_put));
  row("engine: a round over the same, nothing new", load.hops(), again);
}

struct Judged {
  std::vector<linker::Trace> traces;
  std::vector<linker::Judgement> judgements;
};

Judged judge(const Load& load) {
  linker::WindowLimits limits;
  limits.records_max = load.sent.hops + 1;
  linker::Window window(limits);
  linker::PointTable points;
  for (std::size_t at = 0; at < load.sent.batches.size(); ++at) {
    const auto point = static_cast<std::uint32_t>(load.sent.probes[at]);
    points.add({point, load.sent.batches[at].points[0].name, load.sent.batches[at].points[0].role, {}});
    for (flowtable::HopRecord hop : load.sent.batches[at].hops) {
      hop.point = point;
      window.add(hop, 0);
    }
  }
  appliance::Analysis analysis(points);
  const auto round = window.begin_round(true);
  window.each_group(round, {}, [&](linker::Group&& group, std::size_t) { analysis.add(std::move(group)); });
  Judged judged;
  must(analysis.finish([&](linker::Trace&& trace, linker::Judgement&& judgement) {
    judged.traces.push_back(std::move(trace));
    judged.judgements.push_back(std::move(judgement));
  }));
  return judged;
}

void measure_writer(const Load& load, Judged&& judged) {
  std::vector<std::string> blobs;
  for (std::size_t at = 0; at < judged.traces.size(); ++at)
    blobs.push_back(testing::encoded({judged.traces[at], judged.judgements[at]}));
  const testing::TestFolder folder;
  const auto store = open_store(folder);
  appliance::OpenTraces open;
  appliance::TraceWriter writer(*store, open, 1, true);
  const auto traces = static_cast<double>(judged.traces.size());
  const Took took = time([&] {
    for (std::size_t at = 0; at < judged.traces.size(); ++at)
      must(writer.take(std::move(judged.traces[at]), std::move(judged.judgements[at]), false));
    must(writer.finish());
  });
  const std::uint64_t commits = blobs.size() / appliance::TraceWriter::kTracesAtOnce + 1;
  const Took floor = blobs_into_sqlite(blobs, 1, commits, false);
  row("store: TraceWriter, hop records", load.hops(), took, times_floor(took, floor));
  row("store: TraceWriter, traces", traces, took);
  row("floor: the same traces as blobs into SQLite, hop records", load.hops(), floor, "one index");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> files(arguments + 1, arguments + count);
  if (files.empty()) {
    fmt::print(stderr, "usage: hoptap-tracer-speed CAPTURE...\n");
    return 2;
  }
  const Load load = load_of(files);
  fmt::print("| what | records per CPU second | per second of time | |\n| --- | ---: | ---: | --- |\n");
  measure_ingest(load);
  measure_join(load);
  {
    const hoptap::testing::TestFolder folder;
    measure_engine(load, *open_store(folder));
  }
  measure_writer(load, judge(load));
  return 0;
}
