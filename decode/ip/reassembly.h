// Puts fragmented IP packets together (RFC 791 section 3.2, RFC 8200 section 4.5) in memory that is fixed at start.
// One per worker. What take() gives is valid until the next release(). Private to decode/ but for ReassemblyConfig and
// ReassemblyCounters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "decode/slice.h"

namespace hoptap::decode {

struct ReassemblyConfig {
  std::uint32_t datagrams_max = 1024;  ///< incomplete at a time; the oldest makes room
  std::uint32_t bytes_max = 4u << 20;  ///< held for them, in blocks of 2 KiB; as much again for what a batch completes
  std::uint32_t fragments_max = 256;   ///< of one datagram
  std::uint64_t timeout_ns = 30'000'000'000;  ///< from the first fragment, by the packets' times
};

/// What became of fragments and datagrams. Every datagram that began is in exactly one of `completed`, `timed_out`,
/// `evicted`, `overlapping`, `inconsistent`, `too_many_fragments` and `no_room`, or is still held.
struct ReassemblyCounters {
  std::uint64_t fragments = 0;   ///< all that came
  std::uint64_t duplicates = 0;  ///< fragments that repeated bytes that were there
  std::uint64_t malformed = 0;   ///< fragments refused: no bytes, not in eights, beyond 65,535
  std::uint64_t late = 0;        ///< fragments of a datagram that had been given up
  std::uint64_t datagrams = 0;   ///< begun
  std::uint64_t completed = 0;   ///< of which some may be cut: a capture that cut a fragment
  std::uint64_t timed_out = 0;
  std::uint64_t evicted = 0;             ///< made room for newer ones: datagrams_max or bytes_max
  std::uint64_t overlapping = 0;         ///< fragments with other bytes for the same place (RFC 5722)
  std::uint64_t inconsistent = 0;        ///< two ends, or bytes behind the end
  std::uint64_t too_many_fragments = 0;  ///< fragments_max
  std::uint64_t no_room = 0;             ///< more completed in one batch than bytes_max
};

/// What fragments of one datagram share. IPv4: also the protocol (RFC 791). `place` tells apart the same fragment seen
/// at several places of one feed (a mirror of both sides of a router): hash of interface, link addresses, tunnels.
struct FragmentKey {
  base::IpAddress source;
  base::IpAddress target;
  std::uint32_t id = 0;
  std::uint16_t protocol = 0;  ///< 256 for IPv6: its fragments may differ there, and the first one's counts
  std::uint64_t place = 0;

  bool operator==(const FragmentKey&) const = default;
};

struct Fragment {
  FragmentKey key;
  std::uint32_t offset = 0;  ///< bytes
  bool more = false;
  std::uint8_t protocol = 0;  ///< of what the fragment header stands before
  Slice bytes;
  std::uint64_t time_ns = 0;
};

struct Reassembled {
  std::uint8_t protocol = 0;  ///< the first fragment's
  Slice bytes;                ///< cut where the capture cut the first of the cut fragments
};

class Reassembler {
 public:
  explicit Reassembler(const ReassemblyConfig& config);

  /// Takes a fragment. The whole datagram if this was the last part that was missing. O(bytes), whatever their order.
  std::optional<Reassembled> take(const Fragment& fragment);

  /// Frees what take() gave out.
  void release() { arena_used_ = 0; }

  const ReassemblyCounters& counters() const { return counters_; }
  std::uint32_t datagrams_held() const { return datagrams_held_; }
  std::uint32_t blocks_held() const { return blocks_held_; }
  base::Bytes arena() const { return {arena_.get(), arena_bytes_}; }  ///< where all that take() gives lies

  static constexpr std::uint32_t kBlockBytes = 2048;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::uint32_t kDatagramBytesMax = 65535;
  static constexpr std::uint32_t kUnitBytes = 8;  ///< offsets count these
  static constexpr std::uint32_t kBlocksPerDatagram = (kDatagramBytesMax + kBlockBytes) / kBlockBytes;

  struct Block {
    std::array<std::uint64_t, kBlockBytes / kUnitBytes / 64> seen;  ///< a bit for each 8 bytes
    std::array<std::uint8_t, kBlockBytes> bytes;
  };
  struct Datagram {
    FragmentKey key;
    std::uint64_t begun_ns;
    std::uint32_t hash;
    std::uint32_t next_in_bucket;
    std::uint32_t older, newer;
    std::uint32_t total_bytes;     ///< 0: the last fragment has not come
    std::uint32_t units;           ///< that are there
    std::uint32_t end_bytes;       ///< of the fragment that reaches farthest
    std::uint32_t captured_bytes;  ///< from the start without a cut by the capture
    std::uint32_t fragments;
    std::uint8_t protocol;
    bool given_up;  ///< what still comes of it is thrown away, until the timeout
    std::array<std::uint32_t, kBlocksPerDatagram> blocks;
  };
  /// A pool that hands out indices and touches no memory before it is used.
  class Indices {
   public:
    void init(std::uint32_t count);
    std::uint32_t take();  ///< kNone when all are out
    void give(std::uint32_t index) { free_[free_count_++] = index; }

   private:
    std::unique_ptr<std::uint32_t[]> free_;
    std::uint32_t free_count_ = 0, used_ = 0, count_ = 0;
  };

  std::uint32_t find_or_begin(const Fragment& fragment);
  std::uint32_t begin(const Fragment& fragment, std::uint32_t hash);
  void remove(std::uint32_t at);
  void free_blocks(Datagram& datagram);
  void give_up(Datagram& datagram, std::uint64_t& counter);
  void expire(std::uint64_t time_ns);
  std::uint32_t new_block(std::uint32_t keep);
  bool is_repeat(const Datagram& datagram, const Fragment& fragment) const;
  bool store(std::uint32_t at, const Fragment& fragment);
  std::optional<Reassembled> complete(std::uint32_t at);

  ReassemblyConfig config_;
  ReassemblyCounters counters_;
  std::unique_ptr<Datagram[]> datagrams_;
  std::unique_ptr<Block[]> blocks_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::vector<std::uint32_t> buckets_;
  Indices datagram_pool_, block_pool_;
  std::uint32_t oldest_ = kNone, newest_ = kNone;
  std::uint32_t datagrams_held_ = 0, blocks_held_ = 0;
  std::size_t arena_bytes_ = 0, arena_used_ = 0;
  std::uint64_t now_ns_ = 0;
};

}  // namespace hoptap::decode
