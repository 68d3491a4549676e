#include "linker/virtual_points.h"

#include <algorithm>
#include <iterator>

#include "linker/streams.h"

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;

/// All sightings are by one clock, and routers lower the TTL, so either says which sighting is nearer the client.
bool nearer_client(const HopRecord& left, const HopRecord& right) {
  const bool comparable = left.request.ttl != 0 && right.request.ttl != 0 && same_stream(left, right);
  if (comparable && left.request.ttl != right.request.ttl) {
    return left.request.ttl > right.request.ttl;
  }
  const bool requests = left.request.seen() && right.request.seen();
  if (requests && left.request.first_ns != right.request.first_ns) {
    return left.request.first_ns < right.request.first_ns;
  }
  const bool responses = left.response.seen() && right.response.seen();
  if (responses && left.response.first_ns != right.response.first_ns) {
    return left.response.first_ns > right.response.first_ns;
  }
  return left.record_id < right.record_id;
}

/// The sightings of each point, nearest the client first.
std::map<std::uint32_t, std::vector<std::size_t>> sightings_of(const Group& group) {
  std::map<std::uint32_t, std::vector<std::size_t>> by_point;
  for (std::size_t at = 0; at < group.records.size(); ++at) by_point[group.records[at].point].push_back(at);
  for (auto& [point, sightings] : by_point) {
    std::stable_sort(sightings.begin(), sightings.end(), [&](std::size_t left, std::size_t right) {
      return nearer_client(group.records[left], group.records[right]);
    });
  }
  return by_point;
}

std::string tunnels_text(const std::vector<std::uint32_t>& tunnels) {
  if (tunnels.empty()) return "no tunnel";
  std::string text;
  for (std::size_t at = 0; at + 1 < tunnels.size(); at += 2) {
    if (!text.empty()) text += " / ";
    text += tunnel_name(static_cast<base::TunnelType>(tunnels[at]));
    if (tunnels[at + 1] != 0) text += " " + std::to_string(tunnels[at + 1]);
  }
  return text;
}

}  // namespace

const char* tunnel_name(base::TunnelType type) {
  switch (type) {
    case base::TunnelType::kVxlan: return "vxlan";
    case base::TunnelType::kIpInIp: return "ipip";
    case base::TunnelType::kGre: return "gre";
    case base::TunnelType::kTeb: return "teb";
    case base::TunnelType::kErspan2: return "erspan";
    case base::TunnelType::kErspan1: return "erspan1";
    case base::TunnelType::kErspan3: return "erspan3";
    case base::TunnelType::kVxlanGpe: return "vxlan-gpe";
    case base::TunnelType::kNsh: return "nsh";
    case base::TunnelType::kGeneve: return "geneve";
    case base::TunnelType::kGtp: return "gtp";
    case base::TunnelType::kL2tp: return "l2tp";
    case base::TunnelType::kMpls: return "mpls";
    case base::TunnelType::kPppoe: return "pppoe";
    case base::TunnelType::kTeredo: return "teredo";
    case base::TunnelType::kPbb: return "pbb";
  }
  return "tunnel";
}

std::uint32_t VirtualPoints::Votes::total() const {
  std::uint32_t sum = 0;
  for (const std::uint32_t votes : by_rank) sum += votes;
  return sum;
}

std::uint32_t VirtualPoints::Votes::best() const {
  return static_cast<std::uint32_t>(std::max_element(by_rank.begin(), by_rank.end()) - by_rank.begin());
}

VirtualPoints::Facet VirtualPoints::facet_of(const HopRecord& record) {
  Facet facet;
  for (const base::Tunnel& layer : record.vantage.tunnels.used()) {
    facet.tunnels.push_back(static_cast<std::uint32_t>(layer.type));
    facet.tunnels.push_back(layer.id);
  }
  const base::Link& link = record.vantage.link;
  facet.source = link.source;
  facet.target = link.target;
  for (std::size_t at = 0; at < link.vlan_count && at < facet.vlans.size(); ++at) facet.vlans[at] = link.vlans[at];
  facet.interface_index = link.interface_index;
  facet.ttl = record.request.ttl;
  return facet;
}

void VirtualPoints::learn(const Group& group) {
  if (group.records.size() < 2) return;
  for (const auto& [point, sightings] : sightings_of(group)) {
    if (sightings.size() < 2) continue;
    Facets& facets = split_points_[point];
    for (std::size_t at = 0; at < sightings.size() && at < kRanksMax; ++at) {
      const Facet facet = facet_of(group.records[sightings[at]]);
      auto known = facets.find(facet);
      if (known == facets.end()) {
        if (facet_count_ >= kFacetsMax) {
          ++facets_refused_;
          continue;
        }
        ++facet_count_;
        known = facets.emplace(facet, Votes{}).first;
      }
      ++known->second.by_rank[at + 1];
    }
  }
}

void VirtualPoints::place_siblings(const Group& group, const std::vector<std::size_t>& siblings,
                                   std::vector<NodeId>& nodes) const {
  const auto split = split_points_.find(group.records[siblings.front()].point);
  std::vector<std::uint32_t> ranks;
  for (const std::size_t at : siblings) {
    std::uint32_t rank = 0;
    if (split != split_points_.end()) {
      const auto known = split->second.find(facet_of(group.records[at]));
      if (known != split->second.end()) rank = known->second.best();
    }
    ranks.push_back(rank);
  }
  const bool learned = std::is_sorted(ranks.begin(), ranks.end()) && ranks.front() != 0 &&
                       std::adjacent_find(ranks.begin(), ranks.end()) == ranks.end();
  for (std::size_t at = 0; at < siblings.size(); ++at) {
    const std::uint32_t here = siblings.size() == 1 ? ranks[at] : static_cast<std::uint32_t>(at + 1);
    nodes[siblings[at]] = {group.records[siblings[at]].point, learned ? ranks[at] : here};
  }
}

std::vector<NodeId> VirtualPoints::nodes_of(const Group& group) const {
  std::vector<NodeId> nodes(group.records.size());
  for (const auto& [point, sightings] : sightings_of(group)) place_siblings(group, sightings, nodes);
  return nodes;
}

const VirtualPoints::Facet* VirtualPoints::main_facet(const Facets& facets, std::uint32_t rank) {
  const Facet* main = nullptr;
  std::uint32_t most = 0;
  for (const auto& [facet, votes] : facets) {
    if (votes.best() != rank || votes.total() <= most) continue;
    most = votes.total();
    main = &facet;
  }
  return main;
}

std::string VirtualPoints::description(NodeId node) const {
  const auto split = split_points_.find(node.point);
  if (node.rank == 0 || split == split_points_.end()) return {};
  const Facet* mine = main_facet(split->second, node.rank);
  if (mine == nullptr) return {};
  bool tunnels_differ = false, vlans_differ = false, ttl_differs = false, interface_differs = false;
  for (std::uint32_t rank = 1; rank <= kRanksMax; ++rank) {
    const Facet* other = rank == node.rank ? nullptr : main_facet(split->second, rank);
    if (other == nullptr) continue;
    tunnels_differ |= other->tunnels != mine->tunnels;
    vlans_differ |= other->vlans != mine->vlans;
    ttl_differs |= other->ttl != mine->ttl;
    interface_differs |= other->interface_index != mine->interface_index;
  }
  if (tunnels_differ) return tunnels_text(mine->tunnels);
  if (vlans_differ) return mine->vlans[0] == 0 ? "no vlan" : "vlan " + std::to_string(mine->vlans[0]);
  if (ttl_differs) return "ttl " + std::to_string(mine->ttl);
  if (interface_differs) return "interface " + std::to_string(mine->interface_index);
  return mine->source.text();
}

}  // namespace hoptap::linker
