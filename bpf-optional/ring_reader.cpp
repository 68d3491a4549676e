#include "bpf-optional/ring_reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace hoptap::bpf {
namespace {

template <class Number>
Number acquire(Number& from) {
  return std::atomic_ref(from).load(std::memory_order_acquire);
}

std::uint64_t bytes_of(std::uint64_t position) { return position & HEAD_AT_MASK; }
std::uint32_t chunk_of(std::uint64_t position) {
  return static_cast<std::uint32_t>(position >> HEAD_CHUNK_SHIFT & HEAD_CHUNK_MASK);
}
std::uint64_t takes_of(std::uint64_t position) { return position >> HEAD_TAKEN_SHIFT; }
bool in_one_chunk(std::uint64_t one, std::uint64_t other) {
  return one >> HEAD_CHUNK_SHIFT == other >> HEAD_CHUNK_SHIFT;
}

/// Chunks that were taken on the way from `from` to `to`; takes are counted round a circle.
std::uint64_t chunks_between(std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kTakes = 1ull << (64 - HEAD_TAKEN_SHIFT);
  return (takes_of(to) - takes_of(from)) % kTakes;
}

}  // namespace

RingReader::RingReader(const RingMemory& memory) : memory_(memory), lanes_(memory.cpus) {
  next_.reserve(memory.cpus);
  read_over_.reserve(memory.chunk_count);
  for (std::uint32_t number = memory.chunk_count; number > 0; --number) free_chunk(number - 1);
}

head_chunk& RingReader::chunk(std::uint32_t number) const {
  return *reinterpret_cast<head_chunk*>(memory_.chunks + std::size_t{number} * HEAD_CHUNK_BYTES);
}

/// On top of the others, so that the next to be filled is the one that is still in the cache.
void RingReader::free_chunk(std::uint32_t number) {
  std::atomic_ref top(memory_.shared->free);
  unsigned long long before = top.load();
  unsigned long long after = 0;
  do {
    std::atomic_ref(chunk(number).next).store(static_cast<std::uint32_t>(before), std::memory_order_relaxed);
    after = ((before >> 32) + 1) << 32 | (number + 1);
  } while (!top.compare_exchange_weak(before, after));
}

void RingReader::give_back() {
  for (const std::uint32_t number : read_over_) free_chunk(number);
  read_over_.clear();
}

bool RingReader::has_work() const {
  if (!next_.empty()) return true;
  for (std::uint32_t cpu = 0; cpu < memory_.cpus; ++cpu) {
    if (acquire(memory_.shared->cpus[cpu].position) != lanes_[cpu].known) return true;
  }
  return false;
}

std::size_t RingReader::waiting_bytes() const {
  std::size_t sum = 0;
  for (std::uint32_t cpu = 0; cpu < memory_.cpus; ++cpu) {
    const std::uint64_t at = lanes_[cpu].at, end = acquire(memory_.shared->cpus[cpu].position);
    sum += chunks_between(at, end) * HEAD_CHUNK_BYTES + bytes_of(end) - bytes_of(at);
  }
  return sum;
}

/// First until when there are records, then which: what came through before one of the first is among the second,
/// since it was whole before the other's time was taken.
void RingReader::look() {
  for (std::uint32_t cpu = 0; cpu < memory_.cpus; ++cpu)
    until_ns_ = std::max<std::uint64_t>(until_ns_, acquire(memory_.shared->cpus[cpu].last_ns));
  for (std::uint32_t cpu = 0; cpu < memory_.cpus; ++cpu) {
    const std::uint64_t known = acquire(memory_.shared->cpus[cpu].position);
    Lane& lane = lanes_[cpu];
    if (known == lane.known || chunk_of(known) >= memory_.chunk_count || bytes_of(known) > HEAD_CHUNK_BYTES) continue;
    const bool had_none = lane.at == lane.known;
    lane.known = known;
    if (had_none) wait_for(cpu);
  }
}

/// What makes no sense is passed over up to where the CPU is.
bool RingReader::lose(Lane& lane) {
  ++unreadable_;
  lane.at = lane.known;
  return false;
}

/// To the chunk that the CPU has gone on with, where the last one ends. False: there is no record yet.
bool RingReader::go_on(std::uint32_t cpu) {
  Lane& lane = lanes_[cpu];
  while (!in_one_chunk(lane.at, lane.known)) {
    std::uint32_t next = memory_.shared->cpus[cpu].first;
    if (lane.at != 0) {
      const head_chunk& last = chunk(chunk_of(lane.at));
      if (bytes_of(lane.at) < last.end) return true;
      next = last.next;
      if (read_over_.size() == memory_.chunk_count) return lose(lane);
      read_over_.push_back(chunk_of(lane.at));
    }
    if (next == 0 || next > memory_.chunk_count) return lose(lane);
    lane.at =
        (takes_of(lane.at) + 1) << HEAD_TAKEN_SHIFT | std::uint64_t{next - 1} << HEAD_CHUNK_SHIFT | HEAD_CHUNK_BEGIN;
  }
  return lane.at != lane.known;
}

/// Puts the CPU's next record among those that are to be read, when it has one.
void RingReader::wait_for(std::uint32_t cpu) {
  if (!go_on(cpu)) return;
  const std::uint64_t at = lanes_[cpu].at;
  std::uint64_t time_ns = 0;
  std::memcpy(&time_ns, memory_.chunks + std::size_t{chunk_of(at)} * HEAD_CHUNK_BYTES + bytes_of(at), sizeof(time_ns));
  next_.push_back({time_ns, cpu});
  std::push_heap(next_.begin(), next_.end());
}

/// The CPU's next record. False: it makes no sense.
bool RingReader::lend(std::uint32_t cpu, capture::Packet& packet, std::uint64_t clock_offset_ns) {
  Lane& lane = lanes_[cpu];
  head_chunk& in = chunk(chunk_of(lane.at));
  const std::uint8_t* const start = reinterpret_cast<const std::uint8_t*>(&in) + bytes_of(lane.at);
  const std::uint64_t end = in_one_chunk(lane.at, lane.known) ? bytes_of(lane.known) : in.end;
  if (end > HEAD_CHUNK_BYTES || end < bytes_of(lane.at)) return lose(lane);
  const std::uint64_t left = end - bytes_of(lane.at);
  head_record record;
  std::memcpy(&record, start, std::min<std::uint64_t>(left, sizeof(record)));
  if (left < sizeof(record) || record.captured_bytes > left - sizeof(record)) {
    ++unreadable_;
    lane.at += left;  // where the next begins is not known
    return false;
  }
  const std::uint64_t bytes = sizeof(record) + record.captured_bytes;
  lane.at += (bytes + HEAD_ALIGNMENT - 1) / HEAD_ALIGNMENT * HEAD_ALIGNMENT;
  packet = {.bytes = {start + sizeof(record), record.captured_bytes},
            .time_ns = record.time_ns + clock_offset_ns,
            .wire_bytes = record.wire_bytes,
            .interface_id = 0};
  return true;
}

std::size_t RingReader::poll(std::span<capture::Packet> batch, std::uint64_t clock_offset_ns) {
  give_back();
  std::size_t filled = 0;
  bool has_looked = false;
  while (filled < batch.size()) {
    if (next_.empty() || next_.front().time_ns > until_ns_) {
      if (has_looked) break;
      look();
      has_looked = true;
      continue;
    }
    std::pop_heap(next_.begin(), next_.end());
    const std::uint32_t cpu = next_.back().cpu;
    next_.pop_back();
    filled += lend(cpu, batch[filled], clock_offset_ns) ? 1 : 0;
    wait_for(cpu);
  }
  return filled;
}

}  // namespace hoptap::bpf
