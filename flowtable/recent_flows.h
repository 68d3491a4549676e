// Which flow the packets that look alike belong to: the way of one flow is found with one comparison, without its key.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "flowtable/flow_key.h"
#include "flowtable/packet_words.h"
#include "flowtable/plain_packet.h"

namespace hoptap::flowtable {

/// What the packets of each busy way of a flow have in common, and where its state is. Fixed size, two ways a place: the
/// third takes that of the older one. One per flow table, used by its thread.
class RecentFlows {
 public:
  using Common = std::array<std::uint8_t, PacketWords::kCommonBytes>;

  /// No packet has such an outcome.
  static constexpr Common nothing() {
    Common none{};
    none.fill(0xff);
    return none;
  }

  struct Way {
    alignas(16) Common common = nothing();
    PlainPlaces places{};
    std::uint64_t place_id = 0;  ///< Flow's, when the places were noted
    std::uint32_t hash = 0;      ///< PacketKey::way_hash()
    std::uint16_t interface_id = 0;
    Direction direction{};
  };
  static_assert(sizeof(Way) == 128);  // two cache lines

  /// The way that the packet goes; null when it is not there. Only packets without tunnels are.
  const Way* find(const decode::Decoded& packet) const {
    const Pair& pair = pairs_[place_of(packet)];
    if (is_same(pair.younger, packet)) [[likely]]
      return &pair.younger;
    return is_same(pair.older, packet) ? &pair.older : nullptr;
  }

  /// Needs a packet without tunnels, and a flow that is calm.
  void put(const decode::Decoded& packet, const PacketKey& key, Flow& flow, Ledger& ledger) {
    Pair& pair = pairs_[place_of(packet)];
    if (!is_same(pair.younger, packet)) pair.older = pair.younger;
    Way& way = pair.younger;
    std::memcpy(way.common.data(), PacketWords(packet).common(), way.common.size());
    way.hash = key.way_hash();
    way.direction = flow.direction_of(key.sender);
    way.places = PlainPlaces(way.direction, flow, ledger);
    way.place_id = flow.place_id();
    way.interface_id = packet.interface_id;
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
  static bool is_same(const Way& way, const decode::Decoded& packet) {
    using Numbers [[gnu::vector_size(16)]] = std::uint64_t;
    const auto* const known = reinterpret_cast<const Numbers*>(way.common.data());
    const std::uint8_t* const seen = PacketWords(packet).common();
    Numbers differing{};
    for (std::size_t at = 0; at < way.common.size() / sizeof(Numbers); ++at)
      differing |= known[at] ^ read_number<Numbers>(seen + at * sizeof(Numbers));
    return (differing[0] | differing[1]) == 0 && way.interface_id == packet.interface_id && packet.tunnels.depth == 0;
  }

  std::vector<Pair> pairs_ = std::vector<Pair>(std::size_t{1} << kPairBits);
};

}  // namespace hoptap::flowtable
