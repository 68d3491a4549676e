#include "appliance/tracer/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "appliance/tracer/unpack.h"

namespace hoptap::appliance {

using exporting::StoreOutcome;
using exporting::StoreResult;

namespace {

constexpr std::size_t kMetricsRowBytes = 2 * sizeof(exporting::MetricsRow);  // in memory, with its sketch, about

std::size_t bytes_of(const exporting::InboxBatch& batch) {
  return batch.payload.size() + batch.metrics.size() * kMetricsRowBytes;
}

}  // namespace

Ingest::Ingest(exporting::Store& store, std::function<void()> stored, std::size_t totals_max)
    : store_(store), stored_(std::move(stored)), traffic_(totals_max), thread_([this] { run(); }) {}

Ingest::~Ingest() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

base::Outcome<std::uint64_t> Ingest::welcome(const exporting::ProbeHello& hello) {
  const auto last = store_.last_sequence(hello.instance);
  if (!last) return tl::unexpected(last.error());
  const std::lock_guard lock(mutex_);
  if (instances_.size() >= kInstancesMax) forget_one();
  instances_[hello.instance] = {{hello.probe, hello.instance, hello.peer, true}, *last, false};
  return *last;
}

void Ingest::goodbye(const exporting::ProbeHello& hello) {
  const std::lock_guard lock(mutex_);
  instances_[hello.instance].state.connected = false;
}

void Ingest::forget_one() {
  const auto gone =
      std::find_if(instances_.begin(), instances_.end(), [](const auto& one) { return !one.second.state.connected; });
  if (gone == instances_.end()) return;  // the collector bounds those that are connected
  std::erase_if(owners_, [&](const auto& owner) { return owner.second == gone->first; });
  instances_.erase(gone);
}

/// Those of probes that are gone.
void Ingest::forget_points() {
  std::erase_if(owners_, [&](const auto& owner) {
    const auto known = instances_.find(owner.second);
    return known == instances_.end() || !known->second.state.connected;
  });
}

/// Whoever feeds a point keeps it until he is gone. @return why not; "" if it may
std::string Ingest::claim(const std::string& point, const std::string& instance) {
  std::string& owner = owners_[point];
  if (owner == instance) return "";
  if (const auto other = instances_.find(owner); other != instances_.end() && other->second.state.connected)
    return fmt::format(
        "the point '{}' is fed by the probe '{}' ({}) already; give one of the two another name, or stop the other",
        point, other->second.state.name, other->second.state.peer);
  owner = instance;
  return "";
}

StoreResult Ingest::check(const exporting::ProbeHello& hello, const exporting::ReceivedBatch& batch,
                          const exporting::Batch& records) {
  const std::size_t count = records.hops.size() + records.legs.size();
  if (count != batch.records)
    return {StoreOutcome::kMalformed, fmt::format("{} records were announced and {} came", batch.records, count)};
  const std::lock_guard lock(mutex_);
  if (instances_[hello.instance].failed) return {StoreOutcome::kUnavailable, "an earlier batch could not be stored"};
  for (const exporting::BatchPoint& point : records.points) {
    if (owners_.size() >= kPointsMax && owners_.count(point.name) == 0) forget_points();
    if (owners_.size() >= kPointsMax && owners_.count(point.name) == 0)
      return {StoreOutcome::kUnavailable,
              fmt::format("there are {} points already, which is as many as a tracer takes", kPointsMax)};
    if (std::string why = claim(point.name, hello.instance); !why.empty())
      return {StoreOutcome::kUnavailable, std::move(why)};
  }
  if (waiting_bytes_ > kWaitingBytesMax)
    return {StoreOutcome::kUnavailable, "the tracer's disk is too slow for what its probes send"};
  return {};
}

void Ingest::store(const exporting::ProbeHello& hello, exporting::ReceivedBatch&& batch,
                   std::function<void(StoreResult)> stored) {
  auto records = unpack(batch.coding, batch.payload);
  StoreResult checked =
      records ? check(hello, batch, *records) : StoreResult{StoreOutcome::kMalformed, records.error().what};
  if (checked.outcome != StoreOutcome::kStored) {
    count_refused(hello, checked.outcome);
    return stored(std::move(checked));
  }
  exporting::InboxBatch row{hello.instance,
                            hello.probe,
                            batch.sequence,
                            batch.records,
                            std::move(batch.coding),
                            std::move(batch.payload),
                            hello.software,
                            {},
                            std::move(records->metrics)};
  for (exporting::BatchPoint& point : records->points) row.points.push_back(std::move(point.name));
  {
    const std::lock_guard lock(mutex_);
    waiting_bytes_ += bytes_of(row);
    waiting_.push_back({std::move(row), std::move(stored)});
  }
  changed_.notify_one();
}

void Ingest::count_refused(const exporting::ProbeHello& hello, StoreOutcome outcome) {
  const std::lock_guard lock(mutex_);
  ++(outcome == StoreOutcome::kMalformed ? counters_.malformed : counters_.unavailable);
  if (outcome == StoreOutcome::kUnavailable) instances_[hello.instance].failed = true;
}

void Ingest::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::vector<Waiting> batches = std::exchange(waiting_, {});
    waiting_bytes_ = 0;
    lock.unlock();
    commit(std::move(batches));
    lock.lock();
  }
}

void Ingest::commit(std::vector<Waiting>&& batches) {
  std::vector<exporting::InboxBatch> rows;
  std::vector<Waiting*> kept;
  StoreResult result;
  {
    const std::lock_guard lock(mutex_);
    for (Waiting& one : batches) {
      if (instances_[one.batch.instance].failed) continue;
      rows.push_back(std::move(one.batch));
      kept.push_back(&one);
    }
  }
  const auto done = store_.append(rows);
  if (!done) result = {StoreOutcome::kUnavailable, done.error().what};
  count_commit(rows, result);
  for (Waiting* one : kept) std::exchange(one->stored, nullptr)(result);
  for (Waiting& one : batches) {
    if (one.stored) one.stored({StoreOutcome::kUnavailable, "an earlier batch could not be stored"});
  }
  if (done) stored_();
}

void Ingest::count_commit(const std::vector<exporting::InboxBatch>& rows, const StoreResult& result) {
  const std::lock_guard lock(mutex_);
  ++counters_.commits;
  trouble_ = result.words;
  if (result.outcome != StoreOutcome::kStored) ++counters_.commit_failures;
  for (const exporting::InboxBatch& row : rows) {
    if (result.outcome != StoreOutcome::kStored) {
      ++counters_.unavailable;
      instances_[row.instance].failed = true;
      continue;
    }
    const auto known = instances_.find(row.instance);
    if (known == instances_.end() || row.sequence > known->second.last) traffic_.add(row);  // else it was left out
    if (known != instances_.end()) known->second.last = std::max(known->second.last, row.sequence);
    counters_.metrics_rows += row.metrics.size();
    ++counters_.batches;
    counters_.records += row.records;
    counters_.bytes += row.payload.size();
  }
}

IngestCounters Ingest::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

std::vector<ProbeState> Ingest::probes() const {
  const std::lock_guard lock(mutex_);
  std::vector<ProbeState> probes;
  for (const auto& [instance, one] : instances_) probes.push_back(one.state);
  return probes;
}

std::string Ingest::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace hoptap::appliance
