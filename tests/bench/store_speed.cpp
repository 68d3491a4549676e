// How fast the tracer's database takes traces, how large they are on disk, and how soon one is found among many.
//   hoptap-store-speed [TRACES [FOLDER]]    1250000 traces of 8 hops are 10 million hop records
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <random>

#include "../store/demo_run.h"
#include "appliance/http/client.h"
#include "appliance/http/server.h"
#include "base/hash.h"
#include "export/json.h"
#include "export/store/store.h"

namespace {

using namespace hoptap;
using exporting::JudgedTrace;
using exporting::Store;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kChunk = Store::kRowsPerTransaction;
constexpr std::size_t kLookups = 4000;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::uint64_t id_of(std::uint64_t number) { return base::hash_values(number, 17); }

/// The n-th trace of the workload: one of the demo's at another time, on another connection.
JudgedTrace variant(const std::vector<JudgedTrace>& some, std::uint64_t number) {
  JudgedTrace made = some[number % some.size()];
  const std::uint64_t later_ns = number * 1'000'000 + base::hash_values(number) % 1'000'000;
  made.trace.id = id_of(number);
  for (linker::Hop& hop : made.trace.hops) {
    flowtable::HopRecord& record = hop.record;
    record.leg_id = base::hash_values(record.leg_id, number / 100);
    record.record_id += number;
    record.client.port = static_cast<std::uint16_t>(32768 + number / 100 % 28000);
    for (flowtable::MessageRecord* message : {&record.request, &record.response}) {
      for (std::uint64_t* time : {&message->first_ns, &message->last_ns, &message->ack_ns})
        *time += *time ? later_ns : 0;
      message->sequence += static_cast<std::uint32_t>(id_of(number));
      message->end_sequence += static_cast<std::uint32_t>(id_of(number));
      message->head_hash = base::hash_values(message->head_hash, number);
    }
  }
  return made;
}

struct Times {
  double make = 0, encode = 0, put = 0, put_cpu = 0, finish = 0;
  std::uint64_t hops = 0, encoded_bytes = 0;
};

bool fill(Store& store, const std::vector<JudgedTrace>& some, std::size_t count, Times& times) {
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    auto start = Clock::now();
    std::vector<JudgedTrace> chunk;
    for (std::size_t at = begin; at < std::min(begin + kChunk, count); ++at) chunk.push_back(variant(some, at));
    times.make += seconds_since(start);
    start = Clock::now();
    const testing::DemoRows rows(chunk);
    times.encode += seconds_since(start);
    std::vector<std::uint64_t> ids;
    for (std::size_t at = 0; at < chunk.size(); ++at) {
      ids.push_back(chunk[at].trace.id);
      times.hops += chunk[at].trace.hops.size();
      times.encoded_bytes += rows.bytes[at].size();
    }
    start = Clock::now();
    const double cpu = cpu_seconds();
    if (!store.put_traces({.put = rows.rows, .remove = {}})) return false;
    times.put += seconds_since(start);
    times.put_cpu += cpu_seconds() - cpu;
    start = Clock::now();
    if (!store.finish({.traces = ids, .batches = {}})) return false;
    times.finish += seconds_since(start);
  }
  return true;
}

/// Blobs as large as a stored trace into a table with one more index: what SQLite costs at least. @return rows/s
double floor_rows_per_second(const std::string& folder, std::size_t count, std::size_t blob_bytes) {
  sqlite3* db = nullptr;
  sqlite3_open((folder + "/floor.sqlite").c_str(), &db);
  sqlite3_exec(db,
               "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
               "PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -131072;"
               "CREATE TABLE t(n INTEGER PRIMARY KEY, id INTEGER UNIQUE, body BLOB)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t(id, body) VALUES(?, ?)", -1, &insert, nullptr);
  std::string blob(blob_bytes, '\0');
  std::mt19937_64 random(1);
  for (char& byte : blob) byte = static_cast<char>(random());
  const auto start = Clock::now();
  for (std::size_t at = 0; at < count; ++at) {
    if (at % kChunk == 0) sqlite3_exec(db, at == 0 ? "BEGIN" : "COMMIT; BEGIN", nullptr, nullptr, nullptr);
    sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(id_of(at)));
    sqlite3_bind_blob64(insert, 2, blob.data(), blob.size(), SQLITE_STATIC);
    sqlite3_step(insert);
    sqlite3_reset(insert);
  }
  sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  const double rate = static_cast<double>(count) / seconds_since(start);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return rate;
}

/// Out of the system's cache with the file, so that it is read from the disk.
void forget_file(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY);
  if (fd < 0) return;
  ::fdatasync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

struct Latency {
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
};

Latency look_up(const std::string& url, std::size_t traces, std::uint64_t seed) {
  appliance::HttpClient client(*appliance::read_url(url), "");
  std::mt19937_64 random(seed);
  std::vector<double> took;
  for (std::size_t at = 0; at < kLookups; ++at) {
    const std::string target = "/api/v1/traces/" + exporting::id_text(id_of(random() % traces));
    const auto start = Clock::now();
    const auto reply = client.get(target, "application/json");
    took.push_back(seconds_since(start) * 1e3);
    if (!reply || reply->status != 200) std::abort();
  }
  std::sort(took.begin(), took.end());
  return {took[took.size() / 2], took[took.size() * 99 / 100], took.back()};
}

int run(std::size_t count, const std::string& folder) {
  std::vector<JudgedTrace> some = testing::demo_run().traces;
  std::erase_if(some, [](const JudgedTrace& judged) { return judged.trace.hops.size() != 8; });
  if (some.empty()) return 1;
  auto store = Store::open({.folder = folder, .retention = {.age_s = 1u << 30, .bytes_max = 1ull << 40}});
  if (!store) return fmt::print(stderr, "{}\n", store.error().what), 1;
  Times times;
  if (!fill(**store, some, count, times)) return fmt::print(stderr, "storing failed\n"), 1;
  const double traces = static_cast<double>(count), hops = static_cast<double>(times.hops);
  const auto retained = (*store)->retain(0);
  if (!retained) return 1;
  const std::string file = (*store)->file();
  store->reset();
  const double bytes = static_cast<double>(std::filesystem::file_size(file));
  fmt::print("encode    {:.0f} hop records/s, {:.0f} bytes each before compression\n", hops / times.encode,
             static_cast<double>(times.encoded_bytes) / hops);
  fmt::print(
      "store     {:.0f} traces/s, {:.0f} hop records/s ({:.0f} per second of one core), finish {:.0f} traces/s\n",
      traces / times.put, hops / times.put, hops / times.put_cpu, traces / times.finish);
  fmt::print("on disk   {:.0f} MB, {:.0f} bytes per hop record, {:.0f} per trace\n", bytes / 1e6, bytes / hops,
             bytes / traces);
  const double floor =
      floor_rows_per_second(folder, std::max<std::size_t>(count / 10, 1), static_cast<std::size_t>(bytes / traces));
  fmt::print("floor     {:.0f} rows/s of that size into SQLite with one index: storing a trace costs {:.1f} of them\n",
             floor, floor / (traces / times.put));

  forget_file(file);
  auto again = Store::open({.folder = folder, .retention = {}});
  if (!again) return 1;
  appliance::HttpServerConfig config;
  config.port = 0;
  appliance::HttpSources sources;
  sources.store = again->get();
  auto server = appliance::HttpServer::start(config, sources);
  if (!server) return 1;
  for (const char* name : {"cold", "warm"}) {
    const Latency latency = look_up((*server)->url(), count, 42);
    fmt::print("GET trace {} file: p50 {:.2f} ms, p99 {:.2f} ms, slowest {:.2f} ms, connection made each time\n", name,
               latency.p50_ms, latency.p99_ms, latency.max_ms);
  }
  return 0;
}

}  // namespace

int main(int arguments, char** argument) {
  const hoptap::testing::TestFolder folder;
  const std::size_t count = arguments > 1 ? std::strtoull(argument[1], nullptr, 10) : 1'250'000;
  return run(std::max<std::size_t>(count, 1), arguments > 2 ? argument[2] : folder.path());
}
