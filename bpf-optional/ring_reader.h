// Reads the packets of a head tap out of the ring that the kernel fills (BPF_MAP_TYPE_RINGBUF; Linux Documentation/bpf/
// ringbuf.rst), where they lie. No system calls. Private to bpf-optional/. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "capture/source.h"

namespace hoptap::bpf {

/// The ring's memory: a page each for how far the reader and the writer are, and `bytes` (a power of 2) of records that
/// are mapped twice in a row, so that none is in two pieces.
struct RingMemory {
  std::uint64_t* consumed = nullptr;        ///< ours to write
  const std::uint64_t* produced = nullptr;  ///< the kernel's
  const std::uint8_t* records = nullptr;
  std::size_t bytes = 0;
};

class RingReader {
 public:
  /// Borrows the memory.
  explicit RingReader(const RingMemory& memory) : memory_(memory), at_(*memory.consumed) {}

  /// Gives back what it lent before, and lends what is there, whole records only. Times are moved by `clock_offset_ns`.
  std::size_t poll(std::span<capture::Packet> batch, std::uint64_t clock_offset_ns);

  bool has_work() const;
  std::size_t waiting_bytes() const;                        ///< in the ring, with what is lent
  std::uint64_t unreadable() const { return unreadable_; }  ///< records that say they are longer than they are

 private:
  RingMemory memory_;
  std::uint64_t at_;  ///< of the next record
  std::uint64_t unreadable_ = 0;
};

}  // namespace hoptap::bpf
