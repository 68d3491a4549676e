#include "bpf-optional/ring_reader.h"

#include <linux/bpf.h>

#include <atomic>
#include <cstring>

#include "bpf-optional/head_record.h"

namespace hoptap::bpf {
namespace {

constexpr std::size_t kAlignment = 8;

template <class Number>
Number acquire(const Number* at) {
  return std::atomic_ref(*const_cast<Number*>(at)).load(std::memory_order_acquire);  // it is only read
}

std::uint32_t record_state(const RingMemory& memory, std::uint64_t at) {
  return acquire(reinterpret_cast<const std::uint32_t*>(memory.records + (at & (memory.bytes - 1))));
}

}  // namespace

bool RingReader::has_work() const {
  return at_ != acquire(memory_.produced) && (record_state(memory_, at_) & BPF_RINGBUF_BUSY_BIT) == 0;
}

std::size_t RingReader::waiting_bytes() const {
  return static_cast<std::size_t>(acquire(memory_.produced) - *memory_.consumed);
}

std::size_t RingReader::poll(std::span<capture::Packet> batch, std::uint64_t clock_offset_ns) {
  std::atomic_ref(*memory_.consumed).store(at_, std::memory_order_release);
  std::size_t filled = 0;
  const std::uint64_t end = acquire(memory_.produced);
  while (filled < batch.size() && at_ != end) {
    const std::uint32_t state = record_state(memory_, at_);
    if ((state & BPF_RINGBUF_BUSY_BIT) != 0) break;  // another CPU still writes it
    const std::uint8_t* const start = memory_.records + (at_ & (memory_.bytes - 1)) + BPF_RINGBUF_HDR_SZ;
    const std::size_t bytes = state & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    at_ += (bytes + BPF_RINGBUF_HDR_SZ + kAlignment - 1) / kAlignment * kAlignment;
    if ((state & BPF_RINGBUF_DISCARD_BIT) != 0) continue;  // the kernel's part has counted it
    head_record record;
    if (bytes < sizeof(record)) {
      ++unreadable_;
      continue;
    }
    std::memcpy(&record, start, sizeof(record));
    if (record.captured_bytes > bytes - sizeof(record)) {
      ++unreadable_;
      continue;
    }
    batch[filled++] = {.bytes = {start + sizeof(record), record.captured_bytes},
                       .time_ns = record.time_ns + clock_offset_ns,
                       .wire_bytes = record.wire_bytes,
                       .interface_id = 0};
  }
  return filled;
}

}  // namespace hoptap::bpf
