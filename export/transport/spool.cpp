#include "export/transport/spool.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "export/transport/spool_file.h"
#include "export/transport/spool_folder.h"

namespace hoptap::exporting {
namespace {

constexpr std::uint64_t kNumbersReserved = 1024;

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

}  // namespace

struct Spool::Parts {
  Parts(std::unique_ptr<SpoolFile> opened, SpoolLimits chosen)
      : limits(chosen), instance(opened->state().instance), file(std::move(opened)) {}

  bool fits(std::uint64_t bytes) const { return file->state().counters.waiting_bytes + bytes <= limits.bytes_max; }
  void make_room(std::uint64_t bytes, SpoolState& state);
  AppendResult add(std::string_view payload, std::uint32_t records, SpoolState& state);
  void say_that_there_is_room();

  const SpoolLimits limits;
  const std::string instance;  ///< as in the state, to be read without the lock
  std::mutex mutex;            ///< of all up to `given`
  std::condition_variable room;
  std::unique_ptr<SpoolFile> file;
  bool has_room = true;
  std::uint64_t kept_waiting = 0;
  std::uint64_t given = 0;  ///< batches up to this one may be on their way
  std::mutex listener_mutex;
  std::function<void()> listener;
};

/// Drops the oldest batches that are not on their way until `bytes` fit or none are left.
void Spool::Parts::make_room(std::uint64_t bytes, SpoolState& state) {
  while (!fits(bytes)) {
    const std::uint64_t oldest = file->oldest_after(std::max(given, state.acknowledged));
    if (oldest == 0) return;
    const SpoolTaken taken = file->take(oldest);
    if (taken.batches == 0) return;
    state.counters.dropped_batches += taken.batches;
    state.counters.dropped_records += taken.records;
  }
}

/// Gives the batch the next number and stores it if there is room.
AppendResult Spool::Parts::add(std::string_view payload, std::uint32_t records, SpoolState& state) {
  if (limits.when_full == WhenFull::kDropOldest) make_room(payload.size(), state);
  const std::uint64_t sequence = ++state.last;
  if (sequence > state.reserved) state.reserved = sequence + kNumbersReserved - 1;
  SpoolCounters& counters = state.counters;
  ++counters.appended_batches;
  counters.appended_records += records;
  if (!fits(payload.size())) {
    ++counters.dropped_batches;
    counters.dropped_records += records;
    return AppendResult::kDropped;
  }
  ++counters.waiting_batches;
  counters.waiting_records += records;
  counters.waiting_bytes += payload.size();
  file->insert(sequence, records, payload);
  return AppendResult::kStored;
}

void Spool::Parts::say_that_there_is_room() {
  has_room = true;
  room.notify_all();
}

Spool::Spool(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Spool::~Spool() = default;

base::Outcome<std::unique_ptr<Spool>> Spool::open(const std::string& folder, SpoolLimits limits) {
  base::Outcome<SpoolFolder> locked = SpoolFolder::lock(folder);
  if (!locked) return tl::unexpected(locked.error());
  auto file = SpoolFile::open(std::move(*locked), limits);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<Spool>(new Spool(std::make_unique<Parts>(std::move(*file), limits)));
}

const std::string& Spool::instance() const { return parts_->instance; }

const std::string& Spool::folder() const { return parts_->file->folder().path(); }

base::Outcome<Appended> Spool::append(std::string_view payload, std::uint32_t records, std::string_view mark) {
  const SpoolLimits& limits = parts_->limits;
  if (payload.size() > std::min<std::uint64_t>(limits.bytes_max, kPayloadBytesMax)) {
    return fail("a batch of " + std::to_string(payload.size()) + " bytes is larger than the spool may get (" +
                std::to_string(limits.bytes_max) + "); raise the spool's size limit");
  }
  if (mark.size() > kMarkBytesMax) return fail("the reader's mark is too long for the spool");
  Appended appended;
  {
    const std::lock_guard lock(parts_->mutex);
    if (limits.when_full == WhenFull::kWait && !parts_->fits(payload.size())) {
      ++parts_->kept_waiting;
      parts_->has_room = false;
      return Appended{AppendResult::kFull, 0};
    }
    SpoolFile& file = *parts_->file;
    const bool reserves = file.state().last >= file.state().reserved;
    if (reserves) file.sync_commits(true);
    const base::Outcome<void> done = file.transact("write to the spool", [&](SpoolState& state) {
      state.mark = mark;
      appended.result = parts_->add(payload, records, state);
      appended.sequence = state.last;
    });
    if (reserves) file.sync_commits(false);
    if (!done) return tl::unexpected(done.error());
  }
  if (appended.result == AppendResult::kStored) {
    const std::lock_guard lock(parts_->listener_mutex);
    if (parts_->listener) parts_->listener();
  }
  return appended;
}

base::Outcome<void> Spool::set_mark(std::string_view mark) {
  if (mark.size() > kMarkBytesMax) return fail("the reader's mark is too long for the spool");
  const std::lock_guard lock(parts_->mutex);
  return parts_->file->transact("write to the spool", [&](SpoolState& state) { state.mark = mark; });
}

std::string Spool::mark() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->file->state().mark;
}

bool Spool::wait_for_room(std::chrono::milliseconds longest) {
  std::unique_lock lock(parts_->mutex);
  return parts_->room.wait_for(lock, longest, [this] { return parts_->has_room; });
}

base::Outcome<std::vector<SpooledBatch>> Spool::next(std::uint64_t after_sequence, std::size_t batches_max,
                                                     std::uint64_t bytes_max) {
  const std::lock_guard lock(parts_->mutex);
  SpoolFile& file = *parts_->file;
  auto batches = file.read(std::max(after_sequence, file.state().acknowledged), batches_max, bytes_max);
  if (batches && !batches->empty()) parts_->given = std::max(parts_->given, batches->back().sequence);
  return batches;
}

base::Outcome<void> Spool::acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock(parts_->mutex);
  SpoolFile& file = *parts_->file;
  if (sequence <= file.state().acknowledged) return {};
  if (sequence > file.state().last) {
    return fail("the tracer has batch " + std::to_string(sequence) + " of this spool, which has only come to " +
                std::to_string(file.state().last) + ": the folder " + file.folder().path() +
                " is an old copy; move it away to begin an empty one");
  }
  const auto take = [&](SpoolState& state) {
    const SpoolTaken taken = file.take_up_to(sequence);
    state.counters.acknowledged_batches += taken.batches;
    state.counters.acknowledged_records += taken.records;
    state.acknowledged = sequence;
  };
  base::Outcome<void> done = file.transact("delete from the spool", take);
  if (!done && file.make_disk_free()) {
    done = file.transact("delete from the spool", take);
    file.shorten_log();
  } else if (done) {
    file.put_aside();
  }
  if (done) parts_->say_that_there_is_room();
  return done;
}

base::Outcome<void> Spool::refuse(std::uint64_t sequence) {
  const std::lock_guard lock(parts_->mutex);
  SpoolFile& file = *parts_->file;
  base::Outcome<void> done = file.transact("delete from the spool", [&](SpoolState& state) {
    const SpoolTaken taken = file.take(sequence);
    state.counters.refused_batches += taken.batches;
    state.counters.refused_records += taken.records;
  });
  if (done) parts_->say_that_there_is_room();
  return done;
}

void Spool::none_on_their_way() {
  const std::lock_guard lock(parts_->mutex);
  parts_->given = 0;
}

std::uint64_t Spool::acknowledged() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->file->state().acknowledged;
}

std::uint64_t Spool::last_sequence() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->file->state().last;
}

SpoolCounters Spool::counters() const {
  const std::lock_guard lock(parts_->mutex);
  SpoolCounters counters = parts_->file->state().counters;
  counters.kept_waiting = parts_->kept_waiting;
  return counters;
}

void Spool::listen(std::function<void()> appended) {
  const std::lock_guard lock(parts_->listener_mutex);
  parts_->listener = std::move(appended);
}

}  // namespace hoptap::exporting
