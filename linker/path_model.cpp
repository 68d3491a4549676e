#include "linker/path_model.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace hoptap::linker {
namespace {

constexpr std::size_t kServersMax = 64;  // per route; more only weakens the search for missing points

std::uint64_t address_hash(const base::IpAddress& address) { return base::hash_bytes(address.bytes); }

bool has_ties(const Order& order) {
  return std::adjacent_find(order.tier.begin(), order.tier.end()) != order.tier.end();
}

}  // namespace

PathModel::Sighted PathModel::sight(const Group& group) const {
  const std::vector<NodeId> nodes = virtual_points_.nodes_of(group);
  Sighted sighted;
  for (std::size_t at = 0; at < nodes.size(); ++at) sighted.records.push_back(at);
  std::sort(sighted.records.begin(), sighted.records.end(),
            [&](std::size_t left, std::size_t right) { return nodes[left] < nodes[right]; });
  if (sighted.records.size() > VoteMatrix::kNodesMax) sighted.records.resize(VoteMatrix::kNodesMax);
  for (const std::size_t at : sighted.records) {
    sighted.nodes.push_back(nodes[at]);
    sighted.servers_hash = base::hash_values(sighted.servers_hash, address_hash(group.records[at].server.address));
  }
  return sighted;
}

VoteMatrix PathModel::votes_in(const Group& group, const Sighted& sighted) {
  VoteMatrix votes(sighted.nodes.size());
  for (std::size_t j = 1; j < sighted.nodes.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const bool siblings = sighted.nodes[i].point == sighted.nodes[j].point;
      votes.at(i, j) = votes_of(group.records[sighted.records[i]], group.records[sighted.records[j]]);
      if (siblings) votes.at(i, j) = {0, 0, 1, 0, 1, 0};  // their ranks already say it
    }
  }
  return votes;
}

std::vector<NodeFacts> PathModel::facts_of(const Group& group, const Sighted& sighted) const {
  std::vector<NodeFacts> facts;
  for (std::size_t at = 0; at < sighted.nodes.size(); ++at) {
    const Point* point = points_.find(sighted.nodes[at].point);
    facts.push_back(
        {point != nullptr ? point->order : std::nullopt, group.records[sighted.records[at]].vantage.tunnels.depth});
  }
  return facts;
}

void PathModel::observe(const Group& group) {
  if (group.records.empty()) return;
  if (group.records.size() > VoteMatrix::kNodesMax) hops_refused_ += group.records.size() - VoteMatrix::kNodesMax;
  const Sighted sighted = sight(group);
  const VariantKey key(sighted.nodes, sighted.servers_hash);
  auto known = variants_.find(key);
  if (known == variants_.end()) {
    if (variants_.size() >= kVariantsMax) {
      ++variants_refused_;
      return;
    }
    known = variants_.emplace(key, Variant{VoteMatrix(sighted.nodes.size()), facts_of(group, sighted)}).first;
    for (std::size_t at = 0; at < sighted.nodes.size(); ++at) {
      known->second.servers.emplace_back(sighted.nodes[at],
                                         address_hash(group.records[sighted.records[at]].server.address));
    }
  }
  known->second.votes += votes_in(group, sighted);
  ++known->second.requests;
}

/// Requests over one set of points may go either way; those whose votes oppose the majority's are another route.
void PathModel::gather_routes() {
  std::map<Nodes, std::vector<Variant*>> by_nodes;
  for (auto& [key, variant] : variants_) by_nodes[key.first].push_back(&variant);
  std::vector<std::vector<Variant*>> members;
  for (auto& [nodes, variants] : by_nodes) {
    std::stable_sort(variants.begin(), variants.end(),
                     [](const Variant* left, const Variant* right) { return left->requests > right->requests; });
    const std::size_t first = routes_.size();
    for (Variant* variant : variants) {
      std::size_t home = first;
      if (home < routes_.size() && agreement(routes_[home].votes, variant->votes) < 0) ++home;
      if (home >= routes_.size()) {
        routes_.push_back({nodes, VoteMatrix(nodes.size()), variant->facts});
        members.emplace_back();
      }
      Route& route = routes_[home];
      route.votes += variant->votes;
      route.requests += variant->requests;
      if (route.servers.size() < kServersMax) {
        const Servers& servers = variant->servers;
        route.servers.insert(route.servers.end(), servers.begin(), servers.end());
      }
      members[home].push_back(variant);
    }
  }
  std::vector<std::size_t> by_requests(routes_.size());
  for (std::size_t at = 0; at < by_requests.size(); ++at) by_requests[at] = at;
  std::stable_sort(by_requests.begin(), by_requests.end(), [&](std::size_t left, std::size_t right) {
    return routes_[left].requests > routes_[right].requests;
  });
  std::vector<Route> sorted;
  for (const std::size_t at : by_requests) {
    for (Variant* variant : members[at]) variant->route = sorted.size();
    sorted.push_back(std::move(routes_[at]));
  }
  routes_ = std::move(sorted);
}

/// What busier routes say about pairs of points that this route has no hard evidence on.
std::vector<double> PathModel::borrowed_votes(std::size_t route) const {
  const Route& mine = routes_[route];
  const std::size_t nodes = mine.nodes.size();
  std::vector<double> extra(nodes * nodes);
  for (std::size_t other = 0; other < route; ++other) {
    const Route& theirs = routes_[other];
    std::vector<std::pair<std::size_t, std::size_t>> shared;  // my index, place on their path
    for (std::size_t place = 0; place < theirs.order.sequence.size(); ++place) {
      const NodeId node = theirs.nodes[theirs.order.sequence[place]];
      const auto at = std::lower_bound(mine.nodes.begin(), mine.nodes.end(), node);
      if (at != mine.nodes.end() && *at == node) shared.emplace_back(at - mine.nodes.begin(), place);
    }
    if (shared.size() < 2) continue;
    std::sort(shared.begin(), shared.end());
    double agree = 0;
    for (std::size_t b = 1; b < shared.size(); ++b) {
      for (std::size_t a = 0; a < b; ++a) {
        const double score = score_of(mine.votes.at(shared[a].first, shared[b].first));
        agree += shared[a].second < shared[b].second ? score : -score;
      }
    }
    if (agree <= 0) continue;
    for (std::size_t b = 1; b < shared.size(); ++b) {
      for (std::size_t a = 0; a < b; ++a) {
        double& cell = extra[shared[a].first * nodes + shared[b].first];
        const bool hard = std::abs(score_of(mine.votes.at(shared[a].first, shared[b].first))) >= kHardScore;
        if (!hard && cell == 0) cell = shared[a].second < shared[b].second ? 2 : -2;
      }
    }
  }
  return extra;
}

/// The busiest path to the same servers that has all of this route's points, and more, says what is missing.
void PathModel::find_missing(Route& route) const {
  const Servers& mine = route.servers;
  for (const Route& whole : routes_) {
    if (whole.nodes.size() <= route.nodes.size() || whole.requests * 20 < route.requests) continue;
    if (!std::includes(whole.nodes.begin(), whole.nodes.end(), route.nodes.begin(), route.nodes.end())) continue;
    const bool same_servers = std::all_of(mine.begin(), mine.end(), [&](const auto& server) {
      return std::find(whole.servers.begin(), whole.servers.end(), server) != whole.servers.end();
    });
    if (!same_servers) continue;
    Nodes in_order;
    for (const std::size_t at : whole.order.sequence) {
      if (std::binary_search(route.nodes.begin(), route.nodes.end(), whole.nodes[at]))
        in_order.push_back(whole.nodes[at]);
    }
    bool same_order = true;
    for (std::size_t place = 0; place < in_order.size(); ++place) {
      same_order &= in_order[place] == route.nodes[route.order.sequence[place]];
    }
    if (!same_order) continue;
    std::string after;
    for (const std::size_t at : whole.order.sequence) {
      const bool present = std::binary_search(route.nodes.begin(), route.nodes.end(), whole.nodes[at]);
      const std::string name = node_name(whole.nodes[at]);
      if (!present) {
        route.missing.push_back({whole.nodes[at], name, after});
        continue;
      }
      after = name;
    }
    return;
  }
}

void PathModel::solve() {
  routes_.clear();
  routes_by_nodes_.clear();
  gather_routes();
  for (std::size_t at = 0; at < routes_.size(); ++at) {
    Route& route = routes_[at];
    route.order = order_nodes(route.votes, route.facts, borrowed_votes(at));
    route.signature = signature_of(route.nodes, route.order);
    routes_by_nodes_[route.nodes].push_back(at);
  }
  for (Route& route : routes_) find_missing(route);
}

const PathModel::Route* PathModel::route_of(const Group& group, const Sighted& sighted) const {
  const auto variant = variants_.find({sighted.nodes, sighted.servers_hash});
  if (variant != variants_.end() && variant->second.route < routes_.size()) return &routes_[variant->second.route];
  const auto candidates = routes_by_nodes_.find(sighted.nodes);
  if (candidates == routes_by_nodes_.end()) return nullptr;
  const VoteMatrix votes = votes_in(group, sighted);
  for (const std::size_t at : candidates->second) {
    if (agreement(routes_[at].votes, votes) >= 0) return &routes_[at];
  }
  return nullptr;
}

Path PathModel::path_of(const Group& group) const {
  const Sighted sighted = sight(group);
  const Route* route = route_of(group, sighted);
  Path path;
  Order own;
  if (route == nullptr) own = order_nodes(votes_in(group, sighted), facts_of(group, sighted), {});
  const Order& order = route != nullptr ? route->order : own;
  path.signature = route != nullptr ? route->signature : signature_of(sighted.nodes, own);
  path.unordered = has_ties(order);
  if (route != nullptr) path.missing = route->missing;
  for (std::size_t place = 0; place < order.sequence.size(); ++place) {
    const std::size_t at = order.sequence[place];
    const NodeId node = sighted.nodes[at];
    path.hops.push_back({sighted.records[at], node, node_name(node), points_.role(node.point),
                         virtual_points_.description(node), order.tier[place]});
  }
  return path;
}

/// By name, so that a path keeps its signature when the ids of points change.
std::uint64_t PathModel::signature_of(const Nodes& nodes, const Order& order) const {
  std::uint64_t hash = 0;
  for (std::size_t place = 0; place < order.sequence.size(); ++place) {
    const std::string name = node_name(nodes[order.sequence[place]]);
    hash = base::hash_values(hash, base::hash_bytes(base::as_bytes(name)), order.tier[place]);
  }
  return hash;
}

std::string PathModel::node_name(NodeId node) const {
  const std::string base = points_.name(node.point);
  return node.rank == 0 ? base : base + "/" + std::to_string(node.rank);
}

std::vector<RouteSummary> PathModel::routes() const {
  std::vector<RouteSummary> summaries;
  for (const Route& route : routes_) {
    RouteSummary& summary = summaries.emplace_back();
    summary.signature = route.signature;
    for (const std::size_t at : route.order.sequence) summary.points.push_back(node_name(route.nodes[at]));
    summary.requests = route.requests;
    summary.unordered = has_ties(route.order);
    summary.hint_disagrees = route.order.hint_disagrees;
  }
  return summaries;
}

PathCounters PathModel::counters() const {
  return {variants_refused_, hops_refused_, virtual_points_.facets_refused()};
}

}  // namespace hoptap::linker
