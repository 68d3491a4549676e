// The store's inbox: batches of probes until all their records are in final traces.
#include "export/store/parts.h"

namespace hoptap::exporting {
namespace {

/// What an append() did, to be counted when it is on disk.
struct Appended {
  std::uint64_t batches = 0, records = 0, bytes = 0, gaps = 0;
  std::vector<std::string> duplicates;  ///< instances
  std::vector<const InboxBatch*> stored;
};

/// The probe's row, made if it is not there. @return its id and last sequence
std::pair<std::uint64_t, std::uint64_t> probe_of(SqliteConnection& inbox, const InboxBatch& batch) {
  {
    Statement find = inbox.prepare("SELECT id, last_sequence FROM probe WHERE instance = ?");
    if (find.text(batch.instance).step()) return {find.number_at(0), find.number_at(1)};
  }
  inbox
      .prepare(
          "INSERT INTO probe(instance, name, software, last_sequence, batches, records, gaps) "
          "VALUES(?, ?, ?, 0, 0, 0, 0)")
      .text(batch.instance)
      .text(batch.probe)
      .text(batch.software)
      .run();
  return {inbox.last_id(), 0};
}

void append_one(SqliteConnection& inbox, const InboxBatch& batch, Appended& sums) {
  const auto [probe, last] = probe_of(inbox, batch);
  if (inbox.failed()) return;
  if (batch.sequence <= last) return sums.duplicates.push_back(batch.instance);
  const std::uint64_t gap = batch.sequence - last - 1;
  inbox.prepare("INSERT INTO inbox(probe, sequence, records, coding, done, payload) VALUES(?, ?, ?, ?, x'', ?)")
      .number(probe)
      .number(batch.sequence)
      .number(batch.records)
      .text(batch.coding)
      .bytes(batch.payload)
      .run();
  inbox
      .prepare(
          "UPDATE probe SET name = ?, software = CASE WHEN ?2 = '' THEN software ELSE ?2 END, last_sequence = ?, "
          "batches = batches + 1, records = records + ?, gaps = gaps + ? WHERE id = ?")
      .text(batch.probe)
      .text(batch.software)
      .number(batch.sequence)
      .number(batch.records)
      .number(gap)
      .number(probe)
      .run();
  sums.stored.push_back(&batch);
  ++sums.batches;
  sums.records += batch.records;
  sums.bytes += batch.payload.size();
  sums.gaps += gap;
}

}  // namespace

base::Outcome<std::uint64_t> Store::last_sequence(const std::string& instance) {
  ReadPool::Lease read = parts_->readers.take(0);
  std::uint64_t last = 0;
  {
    Statement find = read->prepare("SELECT last_sequence FROM probe WHERE instance = ?");
    if (find.text(instance).step()) last = find.number_at(0);
  }
  if (auto done = read->outcome("read what a probe has sent"); !done) return tl::unexpected(done.error());
  return last;
}

base::Outcome<void> Store::append(std::span<const InboxBatch> batches) {
  Appended sums;
  MetricsAdder metrics;
  base::Outcome<void> done;
  {
    const std::lock_guard turn(parts_->writing);
    done = parts_->inbox->transaction("store a batch", [&] {
      for (const InboxBatch& batch : batches) append_one(*parts_->inbox, batch, sums);
      for (const InboxBatch* batch : sums.stored) metrics.add(*batch, parts_->config.metrics_seconds_kept_s > 0);
      metrics.store(*parts_->inbox, *parts_->inbox_names, parts_->config.metrics_rows_max);
    });
    if (!done) parts_->inbox_names->forget();
  }
  if (!done) {
    parts_->note_failure();
    return done;
  }
  parts_->change_counters([&](StoreCounters& counters) {
    counters.batches += sums.batches;
    counters.inbox_batches += sums.batches;
    counters.inbox_records += sums.records;
    counters.inbox_bytes += sums.bytes;
    counters.sequence_gaps += sums.gaps;
    counters.metrics_overflow += metrics.refused();
    counters.batch_duplicates += sums.duplicates.size();
    for (const std::string& instance : sums.duplicates) ++parts_->duplicates[instance];
  });
  return {};
}

base::Outcome<std::vector<StoredBatch>> Store::read_inbox(std::uint64_t after_id, std::size_t batches_max) {
  ReadPool::Lease read = parts_->readers.take(0);
  std::vector<StoredBatch> batches;
  {
    Statement find = read->prepare(
        "SELECT i.id, p.instance, p.name, p.software, i.sequence, i.records, i.coding, i.done, i.payload "
        "FROM inbox i JOIN probe p ON p.id = i.probe WHERE i.id > ? ORDER BY i.id LIMIT ?");
    find.number(after_id).number(batches_max);
    while (find.step()) {
      StoredBatch& batch = batches.emplace_back();
      batch.id = find.number_at(0);
      batch.instance = find.text_at(1);
      batch.probe = find.text_at(2);
      batch.software = find.text_at(3);
      batch.sequence = find.number_at(4);
      batch.records = static_cast<std::uint32_t>(find.number_at(5));
      batch.coding = find.text_at(6);
      batch.done = find.text_at(7);
      batch.payload = find.text_at(8);
    }
  }
  if (auto done = read->outcome("read the inbox"); !done) return tl::unexpected(done.error());
  return batches;
}

base::Outcome<std::vector<ProbeRow>> Store::probes() {
  ReadPool::Lease read = parts_->readers.take(0);
  std::vector<ProbeRow> rows;
  {
    Statement find = read->prepare(
        "SELECT instance, name, software, last_sequence, batches, records, gaps FROM probe ORDER BY name, instance");
    while (find.step()) {
      ProbeRow& row = rows.emplace_back();
      row.instance = find.text_at(0);
      row.name = find.text_at(1);
      row.software = find.text_at(2);
      row.last_sequence = find.number_at(3);
      row.batches = find.number_at(4);
      row.records = find.number_at(5);
      row.sequence_gaps = find.number_at(6);
    }
  }
  if (auto done = read->outcome("read the probes"); !done) return tl::unexpected(done.error());
  const std::lock_guard hold(parts_->counting);
  for (ProbeRow& row : rows) {
    if (const auto found = parts_->duplicates.find(row.instance); found != parts_->duplicates.end()) {
      row.duplicates = found->second;
    }
  }
  return rows;
}

}  // namespace hoptap::exporting
