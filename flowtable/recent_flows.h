// Which flow the packets that look alike belong to: the way of one flow is found with one comparison, without its key.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define HOPTAP_WIDE [[gnu::target("avx")]]
#else
#define HOPTAP_WIDE
#endif

#include "flowtable/flow_key.h"
#include "flowtable/packet_words.h"
#include "flowtable/plain_packet.h"

namespace hoptap::flowtable {

/// What the packets of each busy way of a flow have in common, and where its state is. Fixed size, two ways a place:
/// the third takes that of the older one. One per flow table, used by its thread.
class RecentFlows {
 public:
  using Common = std::array<std::uint8_t, PacketWords::kCommonBytes>;

  /// No packet has such an outcome.
  static constexpr Common nothing() {
    Common none{};
    none.fill(0xff);
    return none;
  }

  /// Can the processor compare 32 bytes at a time? Any that is not x86, or has AVX (2011).
  static bool is_supported() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx") != 0;
#else
    return true;
#endif
  }

  struct Way {
    alignas(32) Common common = nothing();
    PlainPlaces places{};
    SlabIndex ledger = 0;           ///< the flow's
    std::uint32_t ledger_life = 0;  ///< TableContext::ledger_lives of it when the places were noted; else they are void
    std::uint32_t hash = 0;         ///< PacketKey::way_hash()
    std::uint16_t interface_id = 0;
  };
  static_assert(sizeof(Way) == 128);  // two cache lines

  /// The way that the packet goes; null when it is not there. Only packets without tunnels are. Needs is_supported().
  [[gnu::always_inline]] HOPTAP_WIDE const Way* find(const decode::Decoded& packet) const {
    if (packet.tunnels.depth != 0) [[unlikely]]
      return nullptr;
    const Pair& pair = pairs_[place_of(packet)];
    if (is_same(pair.younger, packet)) [[likely]]
      return &pair.younger;
    return is_same(pair.older, packet) ? &pair.older : nullptr;
  }

  /// Needs a packet without tunnels, and a flow that is calm.
  [[gnu::noinline]] HOPTAP_WIDE void put(const decode::Decoded& packet, const PacketKey& key, Flow& flow,
                                         TableContext& context) {
    Pair& pair = pairs_[place_of(packet)];
    if (!is_same(pair.younger, packet)) pair.older = pair.younger;
    Way& way = pair.younger;
    std::memcpy(way.common.data(), PacketWords(packet).common(), way.common.size());
    way.hash = key.way_hash();
    way.places = PlainPlaces(flow.direction_of(key.sender), flow, context.ledgers[flow.ledger]);
    way.ledger = flow.ledger;
    way.ledger_life = context.ledger_lives[flow.ledger];
    way.interface_id = packet.interface_id;
  }

  /// The latest packet of its way looks as this one: those that look as before are not to be found. Forgets other
  /// flows' with them.
  [[gnu::noinline]] HOPTAP_WIDE void forget_others(const decode::Decoded& packet) {
    Pair& pair = pairs_[place_of(packet)];
    for (Way* const way : {&pair.younger, &pair.older})
      if (!is_same(*way, packet)) way->common = nothing();
  }

 private:
  static constexpr unsigned kPairBits = 10;
  struct Pair {
    Way younger, older;
  };

  static std::size_t place_of(const decode::Decoded& packet) {
    return PacketWords(packet).place_of_endpoints() >> (64 - kPairBits);
  }
  /// Is it the way that the packet goes?
  [[gnu::always_inline]] HOPTAP_WIDE static bool is_same(const Way& way, const decode::Decoded& packet) {
    return is_same_bytes(way.common.data(), PacketWords(packet).common()) && way.interface_id == packet.interface_id;
  }

  /// kCommonBytes of each. 15 instructions less than 16 bytes at a time.
  [[gnu::always_inline]] HOPTAP_WIDE static bool is_same_bytes(const std::uint8_t* known, const std::uint8_t* seen) {
#if defined(__x86_64__)
    static_assert(PacketWords::kCommonBytes == 64);
    const auto* const a = reinterpret_cast<const float*>(known);
    const auto* const b = reinterpret_cast<const float*>(seen);
    const __m256 first = _mm256_xor_ps(_mm256_load_ps(a), _mm256_loadu_ps(b));
    const __m256 second = _mm256_xor_ps(_mm256_load_ps(a + 8), _mm256_loadu_ps(b + 8));
    const __m256i differing = _mm256_castps_si256(_mm256_or_ps(first, second));
    return _mm256_testz_si256(differing, differing) != 0;
#else
    return std::memcmp(known, seen, PacketWords::kCommonBytes) == 0;
#endif
  }

  std::vector<Pair> pairs_ = std::vector<Pair>(std::size_t{1} << kPairBits);
};

}  // namespace hoptap::flowtable
