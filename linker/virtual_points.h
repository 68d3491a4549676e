// Virtual points: one feed that shows the same packet on both sides of a router or tunnel endpoint is several points.
// Learns which sighting is which from groups that hold several, so that a lone sighting is placed right too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "linker/group.h"

namespace hoptap::linker {

/// A point of a path: the observation point's id and which of its virtual points (0: it has only one).
struct NodeId {
  std::uint32_t point = 0;
  std::uint32_t rank = 0;  ///< 1: nearest the client

  auto operator<=>(const NodeId&) const = default;
};

/// Learn from every group first, then ask. Memory is bounded by kFacetsMax. One thread.
class VirtualPoints {
 public:
  static constexpr std::uint32_t kRanksMax = 8;
  static constexpr std::size_t kFacetsMax = 4096;

  void learn(const Group& group);

  /// The node of each record of the group, in the records' order; all different.
  std::vector<NodeId> nodes_of(const Group& group) const;

  /// What tells this node from its siblings: "vxlan 1", "vlan 10", "ttl 63"; empty for a point that is not split.
  std::string description(NodeId node) const;

  std::uint64_t facets_refused() const { return facets_refused_; }  ///< sightings not learned: kFacetsMax reached

 private:
  /// What all sightings on one side of a device share.
  struct Facet {
    std::vector<std::uint32_t> tunnels;  ///< type and id of each layer, outermost first
    base::MacAddress source;
    base::MacAddress target;
    std::array<std::uint16_t, base::Link::kVlansMax> vlans{};
    std::uint32_t interface_index = 0;
    std::uint8_t ttl = 0;

    auto operator<=>(const Facet&) const = default;
  };
  struct Votes {
    std::array<std::uint32_t, kRanksMax + 1> by_rank{};
    std::uint32_t total() const;
    std::uint32_t best() const;  ///< the rank most groups gave it
  };
  using Facets = std::map<Facet, Votes>;

  static Facet facet_of(const flowtable::HopRecord& record);
  static const Facet* main_facet(const Facets& facets, std::uint32_t rank);
  void place_siblings(const Group& group, const std::vector<std::size_t>& siblings, std::vector<NodeId>& nodes) const;

  std::map<std::uint32_t, Facets> split_points_;
  std::size_t facet_count_ = 0;
  std::uint64_t facets_refused_ = 0;
};

/// "vxlan", "ipip", "gre", "teb", "erspan".
const char* tunnel_name(base::TunnelType type);

}  // namespace hoptap::linker
