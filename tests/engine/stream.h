// Records of a scenario on their way from probes to an engine: cut into batches, in any order. For tests only.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "appliance/tracer/engine.h"
#include "export/trace_codec.h"
#include "export/wire/batch.h"
#include "linker_scenario.h"

namespace hoptap::test {

/// A folder for a store, gone with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = std::filesystem::temp_directory_path() / "hoptap-engine-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(folder_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

inline std::unique_ptr<exporting::Store> open_store(const Scratch& scratch) {
  exporting::StoreConfig config;
  config.folder = scratch.folder();
  auto store = exporting::Store::open(config);
  return store ? std::move(*store) : nullptr;
}

/// A batch of one point; `number` counts the point's batches.
struct Parcel {
  std::string probe;
  std::uint64_t number = 0;
  exporting::Batch batch;
};

/// The records as one probe a point sends them, `size` to a batch.
inline std::vector<Parcel> parcels_of(const Scenario& scenario, const std::vector<HopRecord>& records,
                                      std::size_t size) {
  std::map<std::uint32_t, std::string> names;
  for (std::size_t at = 0; at < scenario.site.size(); ++at) names[point_id(scenario, at)] = scenario.site[at].name;
  std::map<std::uint32_t, std::vector<HopRecord>> by_point;
  for (const HopRecord& record : records) by_point[record.point].push_back(record);
  std::vector<Parcel> parcels;
  for (const auto& [point, mine] : by_point) {
    for (std::size_t first = 0; first < mine.size(); first += size) {
      Parcel& parcel = parcels.emplace_back();
      parcel.probe = names[point];
      parcel.number = first / size + 1;
      const std::size_t end = std::min(first + size, mine.size());
      const std::string& role = linker::Point{}.role;
      parcel.batch.points.push_back({names[point], role, {}, linker::end_ns(mine[end - 1]), 0, {}, end == mine.size()});
      for (std::size_t at = first; at < end; ++at) {
        parcel.batch.hops.push_back(mine[at]);
        parcel.batch.hops.back().point = 0;
      }
    }
  }
  return parcels;
}

inline void deliver(exporting::Store& store, const Parcel& parcel) {
  exporting::InboxBatch batch;
  batch.instance = parcel.probe + std::string(16 - std::min<std::size_t>(parcel.probe.size(), 16), '.');
  batch.instance.resize(16);
  batch.probe = parcel.probe;
  batch.sequence = parcel.number;
  batch.records = static_cast<std::uint32_t>(parcel.batch.hops.size() + parcel.batch.legs.size());
  batch.coding = "zstd";
  batch.payload = exporting::compress(exporting::encode_batch(parcel.batch));
  const auto stored = store.append({&batch, 1});
  if (!stored) throw std::runtime_error(stored.error().what);
}

/// Puts parcels in another order that keeps each probe's own.
inline void interleave(std::vector<Parcel>& parcels, std::uint64_t seed) {
  Random random(seed);
  std::map<std::string, std::vector<Parcel>> by_probe;
  for (Parcel& parcel : parcels) by_probe[parcel.probe].push_back(std::move(parcel));
  std::vector<std::pair<std::uint64_t, Parcel*>> order;
  parcels.clear();
  std::map<std::string, std::size_t> next;
  std::vector<std::string> turns;
  for (const auto& [probe, mine] : by_probe) turns.insert(turns.end(), mine.size(), probe);
  for (std::size_t at = turns.size(); at > 1; --at) std::swap(turns[at - 1], turns[random.next() % at]);
  for (const std::string& probe : turns) parcels.push_back(std::move(by_probe[probe][next[probe]++]));
}

/// Trace id and encoded bytes of all traces of the store.
inline std::map<std::uint64_t, std::vector<std::uint8_t>> traces_of(exporting::Store& store) {
  std::map<std::uint64_t, std::vector<std::uint8_t>> traces;
  std::optional<exporting::TraceCursor> cursor;
  do {
    auto page = store.traces({}, cursor, 500);
    if (!page) throw std::runtime_error(page.error().what);
    for (exporting::StoredTrace& trace : page->traces) traces[trace.id] = std::move(trace.encoded);
    cursor = page->next;
  } while (cursor);
  return traces;
}

/// The same of what the offline linker makes of the records.
inline std::map<std::uint64_t, std::vector<std::uint8_t>> expected_traces(const Scenario& scenario,
                                                                          const std::vector<HopRecord>& records) {
  linker::PointTable table;
  for (std::size_t at = 0; at < scenario.site.size(); ++at)
    table.add({point_id(scenario, at), scenario.site[at].name, "unknown", {}});
  Analysis analysis = analyse(records, table);
  std::map<std::uint64_t, std::vector<std::uint8_t>> traces;
  for (std::size_t at = 0; at < analysis.traces.size(); ++at) {
    std::vector<std::uint8_t>& bytes = traces[analysis.traces[at].id];
    exporting::encode(analysis.traces[at], analysis.judgements[at], bytes);
  }
  return traces;
}

inline std::size_t hops_in(const std::map<std::uint64_t, std::vector<std::uint8_t>>& traces) {
  std::size_t hops = 0;
  for (const auto& [id, bytes] : traces) hops += exporting::decode_trace(bytes)->trace.hops.size();
  return hops;
}

}  // namespace hoptap::test
