// Reads the packets of a head tap out of the chunks that the program in the kernel fills (kernel/chunks.bpf.h), where
// they lie. No system calls. Private to bpf-optional/. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bpf-optional/head_record.h"
#include "capture/source.h"

namespace hoptap::bpf {

/// Memory that the kernel has, too.
struct RingMemory {
  head_shared* shared = nullptr;
  std::uint8_t* chunks = nullptr;  ///< `chunk_count` times HEAD_CHUNK_BYTES
  std::uint32_t chunk_count = 0;
  std::uint32_t cpus = 0;  ///< at most HEAD_CPUS_MAX
};

/// Gives the records of all CPUs in the order of their times. A record whose packet came through only after another
/// had come through, on whatever CPU, is given behind it.
class RingReader {
 public:
  /// Borrows the memory, and makes all chunks free: the program must not run yet.
  explicit RingReader(const RingMemory& memory);

  /// Gives back what it lent before, and lends what is there, whole records only. Times are moved by `clock_offset_ns`.
  std::size_t poll(std::span<capture::Packet> batch, std::uint64_t clock_offset_ns);

  bool has_work() const;
  std::size_t waiting_bytes() const;                        ///< in the ring, without what is lent
  std::uint64_t unreadable() const { return unreadable_; }  ///< records that say they are longer than they are

 private:
  /// How far one CPU's records have been read, and are known to be there. Positions as in head_record.h.
  struct Lane {
    std::uint64_t at = 0, known = 0;
  };
  struct Next {
    std::uint64_t time_ns;
    std::uint32_t cpu;
    bool operator<(const Next& other) const { return time_ns > other.time_ns; }  // the heap's first is the earliest
  };

  void look();
  bool lose(Lane& lane);
  bool go_on(std::uint32_t cpu);
  void wait_for(std::uint32_t cpu);
  bool lend(std::uint32_t cpu, capture::Packet& packet, std::uint64_t clock_offset_ns);
  void give_back();
  void free_chunk(std::uint32_t number);
  head_chunk& chunk(std::uint32_t number) const;

  RingMemory memory_;
  std::vector<Lane> lanes_;
  std::vector<Next> next_;                ///< a heap; of each CPU that has records its first
  std::vector<std::uint32_t> read_over_;  ///< chunks whose packets are lent
  std::uint64_t until_ns_ = 0;            ///< no record that was whole before this is missing
  std::uint64_t unreadable_ = 0;
};

}  // namespace hoptap::bpf
