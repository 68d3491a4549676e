#include "decode/ip/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"

namespace hoptap::decode {
namespace {

std::uint64_t hash_of(const base::IpAddress& address) {
  const base::Bytes bytes(address.bytes);
  return base::hash_values(base::load_be(bytes.first(8)), base::load_be(bytes.last(8)));
}

/// Calls visit(block, first, count) for each block's share of `count` things from `first` on.
template <std::uint32_t kPerBlock, class Visit>
void for_each_block(std::uint32_t first, std::uint32_t count, const Visit& visit) {
  while (count > 0) {
    const std::uint32_t within = first % kPerBlock;
    const std::uint32_t here = std::min(count, kPerBlock - within);
    visit(first / kPerBlock, within, here);
    first += here;
    count -= here;
  }
}

/// The bits [first, first + count) of one word.
std::uint64_t mask_of(std::uint32_t first, std::uint32_t count) {
  return (count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << first;
}

}  // namespace

void Reassembler::Indices::init(std::uint32_t count) {
  free_ = std::make_unique_for_overwrite<std::uint32_t[]>(count);
  count_ = count;
}

std::uint32_t Reassembler::Indices::take() {
  if (free_count_ > 0) return free_[--free_count_];
  return used_ < count_ ? used_++ : kNone;
}

Reassembler::Reassembler(const ReassemblyConfig& config) : config_(config) {
  config_.datagrams_max = std::max<std::uint32_t>(config_.datagrams_max, 1);
  const std::uint32_t blocks = std::max(config_.bytes_max / kBlockBytes, kBlocksPerDatagram);
  arena_bytes_ = std::size_t{blocks} * kBlockBytes;
  datagrams_ = std::make_unique_for_overwrite<Datagram[]>(config_.datagrams_max);
  blocks_ = std::make_unique_for_overwrite<Block[]>(blocks);
  arena_ = std::make_unique_for_overwrite<std::uint8_t[]>(arena_bytes_);
  buckets_.assign(std::bit_ceil(config_.datagrams_max), kNone);
  datagram_pool_.init(config_.datagrams_max);
  block_pool_.init(blocks);
}

std::optional<Reassembled> Reassembler::take(const Fragment& fragment) {
  ++counters_.fragments;
  const std::size_t size = fragment.bytes.wire_bytes;
  if (size == 0 || fragment.offset + size > kDatagramBytesMax || (fragment.more && size % kUnitBytes != 0)) {
    ++counters_.malformed;
    return std::nullopt;
  }
  expire(fragment.time_ns);
  const std::uint32_t at = find_or_begin(fragment);
  Datagram& datagram = datagrams_[at];
  if (datagram.given_up) {
    ++counters_.late;
    return std::nullopt;
  }
  if (++datagram.fragments > config_.fragments_max) {
    give_up(datagram, counters_.too_many_fragments);
    return std::nullopt;
  }
  const auto end = fragment.offset + static_cast<std::uint32_t>(size);
  const bool has_end = datagram.total_bytes != 0;
  if ((has_end && end > datagram.total_bytes) || (!fragment.more && has_end && end != datagram.total_bytes) ||
      (!fragment.more && end < datagram.end_bytes)) {
    give_up(datagram, counters_.inconsistent);
    return std::nullopt;
  }
  if (!fragment.more) datagram.total_bytes = end;
  datagram.end_bytes = std::max(datagram.end_bytes, end);
  if (!store(at, fragment)) return std::nullopt;
  if (datagram.total_bytes == 0 || datagram.units != (datagram.total_bytes + kUnitBytes - 1) / kUnitBytes) {
    return std::nullopt;
  }
  return complete(at);
}

/// Blocks for the fragment's bytes, its bytes and its bits. False if nothing is left to be done with it.
bool Reassembler::store(std::uint32_t at, const Fragment& fragment) {
  constexpr std::uint32_t kUnitsPerBlock = kBlockBytes / kUnitBytes;
  Datagram& datagram = datagrams_[at];
  const auto size = static_cast<std::uint32_t>(fragment.bytes.wire_bytes);
  const std::uint32_t first_unit = fragment.offset / kUnitBytes;
  const std::uint32_t units = (size + kUnitBytes - 1) / kUnitBytes;
  std::uint32_t known = 0;
  for_each_block<kUnitsPerBlock>(first_unit, units, [&](std::uint32_t block, std::uint32_t first, std::uint32_t count) {
    if (datagram.blocks[block] == kNone) datagram.blocks[block] = new_block(at);
    std::uint64_t* seen = blocks_[datagram.blocks[block]].seen.data();
    for_each_block<64>(first, count, [&](std::uint32_t word, std::uint32_t bit, std::uint32_t bits) {
      const std::uint64_t mask = mask_of(bit, bits);
      known += static_cast<std::uint32_t>(std::popcount(seen[word] & mask));
      seen[word] |= mask;
    });
  });
  if (known != 0) {
    if (known == units && is_repeat(datagram, fragment)) {
      ++counters_.duplicates;
    } else {
      give_up(datagram, counters_.overlapping);
    }
    return false;
  }
  datagram.units += units;
  const auto captured = static_cast<std::uint32_t>(std::min<std::size_t>(fragment.bytes.bytes.size(), size));
  if (captured < size) datagram.captured_bytes = std::min(datagram.captured_bytes, fragment.offset + captured);
  const std::uint8_t* from = fragment.bytes.bytes.data();
  for_each_block<kBlockBytes>(fragment.offset, captured,
                              [&](std::uint32_t block, std::uint32_t first, std::uint32_t count) {
                                std::memcpy(blocks_[datagram.blocks[block]].bytes.data() + first, from, count);
                                from += count;
                              });
  if (fragment.offset == 0) datagram.protocol = fragment.protocol;
  return true;
}

/// Are the fragment's bytes those that are there? Bytes that a cut capture lacks do not speak against it.
bool Reassembler::is_repeat(const Datagram& datagram, const Fragment& fragment) const {
  bool same = true;
  const std::uint8_t* from = fragment.bytes.bytes.data();
  const std::size_t until =
      std::min<std::size_t>(fragment.offset + fragment.bytes.bytes.size(), datagram.captured_bytes);
  if (until <= fragment.offset) return true;
  for_each_block<kBlockBytes>(fragment.offset, static_cast<std::uint32_t>(until) - fragment.offset,
                              [&](std::uint32_t block, std::uint32_t first, std::uint32_t count) {
                                const Block& held = blocks_[datagram.blocks[block]];
                                same = same && std::memcmp(held.bytes.data() + first, from, count) == 0;
                                from += count;
                              });
  return same;
}

std::optional<Reassembled> Reassembler::complete(std::uint32_t at) {
  const Datagram& datagram = datagrams_[at];
  const std::uint32_t captured = std::min(datagram.captured_bytes, datagram.total_bytes);
  if (captured > arena_bytes_ - arena_used_) {
    ++counters_.no_room;
    remove(at);
    return std::nullopt;
  }
  std::uint8_t* const start = arena_.get() + arena_used_;
  std::uint8_t* to = start;
  for_each_block<kBlockBytes>(0, captured, [&](std::uint32_t block, std::uint32_t first, std::uint32_t count) {
    std::memcpy(to, blocks_[datagram.blocks[block]].bytes.data() + first, count);
    to += count;
  });
  arena_used_ += captured;
  ++counters_.completed;
  const Reassembled whole{.protocol = datagram.protocol,
                          .bytes = {.bytes = base::Bytes(start, captured), .wire_bytes = datagram.total_bytes}};
  remove(at);
  return whole;
}

std::uint32_t Reassembler::find_or_begin(const Fragment& fragment) {
  constexpr std::uint32_t kChainMax = 16;  // whoever picks ids that collide does not make us slow
  const FragmentKey& key = fragment.key;
  const auto hash = static_cast<std::uint32_t>(
      base::hash_values(hash_of(key.source), hash_of(key.target), key.id, key.protocol, key.place));
  std::uint32_t length = 0, last = kNone;
  for (std::uint32_t at = buckets_[hash & (buckets_.size() - 1)]; at != kNone; at = datagrams_[at].next_in_bucket) {
    if (datagrams_[at].hash == hash && datagrams_[at].key == key) return at;
    last = at;
    ++length;
  }
  if (length >= kChainMax) {
    if (!datagrams_[last].given_up) ++counters_.evicted;
    remove(last);
  }
  return begin(fragment, hash);
}

std::uint32_t Reassembler::begin(const Fragment& fragment, std::uint32_t hash) {
  std::uint32_t at = datagram_pool_.take();
  if (at == kNone) {
    if (!datagrams_[oldest_].given_up) ++counters_.evicted;
    remove(oldest_);
    at = datagram_pool_.take();
  }
  Datagram& datagram = datagrams_[at];
  std::uint32_t& bucket = buckets_[hash & (buckets_.size() - 1)];
  datagram = {.key = fragment.key,
              .begun_ns = now_ns_,
              .hash = hash,
              .next_in_bucket = bucket,
              .older = newest_,
              .newer = kNone,
              .total_bytes = 0,
              .units = 0,
              .end_bytes = 0,
              .captured_bytes = UINT32_MAX,
              .fragments = 0,
              .protocol = fragment.protocol,
              .given_up = false,
              .blocks = {}};
  datagram.blocks.fill(kNone);
  bucket = at;
  (newest_ == kNone ? oldest_ : datagrams_[newest_].newer) = at;
  newest_ = at;
  ++datagrams_held_;
  ++counters_.datagrams;
  return at;
}

void Reassembler::remove(std::uint32_t at) {
  Datagram& datagram = datagrams_[at];
  free_blocks(datagram);
  std::uint32_t* link = &buckets_[datagram.hash & (buckets_.size() - 1)];
  while (*link != at) link = &datagrams_[*link].next_in_bucket;
  *link = datagram.next_in_bucket;
  (datagram.older == kNone ? oldest_ : datagrams_[datagram.older].newer) = datagram.newer;
  (datagram.newer == kNone ? newest_ : datagrams_[datagram.newer].older) = datagram.older;
  datagram_pool_.give(at);
  --datagrams_held_;
}

void Reassembler::free_blocks(Datagram& datagram) {
  const std::uint32_t used = (datagram.end_bytes + kBlockBytes - 1) / kBlockBytes;
  for (std::uint32_t block = 0; block < used; ++block) {
    if (datagram.blocks[block] == kNone) continue;
    block_pool_.give(datagram.blocks[block]);
    datagram.blocks[block] = kNone;
    --blocks_held_;
  }
}

void Reassembler::give_up(Datagram& datagram, std::uint64_t& counter) {
  ++counter;
  free_blocks(datagram);
  datagram.given_up = true;
}

void Reassembler::expire(std::uint64_t time_ns) {
  now_ns_ = std::max(now_ns_, time_ns);
  while (oldest_ != kNone && now_ns_ - datagrams_[oldest_].begun_ns > config_.timeout_ns) {
    if (!datagrams_[oldest_].given_up) ++counters_.timed_out;
    remove(oldest_);
  }
}

/// A block with no bits set; the oldest datagrams but `keep` make room. There are blocks for at least one datagram.
std::uint32_t Reassembler::new_block(std::uint32_t keep) {
  std::uint32_t block = block_pool_.take();
  while (block == kNone) {
    const std::uint32_t victim = oldest_ == keep ? datagrams_[oldest_].newer : oldest_;
    if (!datagrams_[victim].given_up) ++counters_.evicted;
    remove(victim);
    block = block_pool_.take();
  }
  blocks_[block].seen.fill(0);
  ++blocks_held_;
  return block;
}

}  // namespace hoptap::decode
