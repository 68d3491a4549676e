// Learns which points requests pass and in what order, then puts the records of each request in that order.
// Use: learn_points() on every group, observe() on every group, solve() once, then path_of() for each group.
// One thread until solve() has returned; path_of() may then be called by many.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "linker/group.h"
#include "linker/hop_order.h"
#include "linker/point.h"
#include "linker/virtual_points.h"

namespace hoptap::linker {

/// One sighting in its place on the path.
struct PathHop {
  std::size_t record = 0;  ///< index into Group::records
  NodeId node;
  std::string point;  ///< "tor-1", or "tor-1/2" for a virtual point
  std::string role;
  std::string detail;      ///< what tells a virtual point from its siblings: "vxlan 1", "ttl 63"; else empty
  std::uint32_t tier = 0;  ///< equal for hops whose order is not known
};

/// A point that requests of the same path are seen at, and this one was not.
struct MissingPoint {
  NodeId node;
  std::string point;
  std::string after;  ///< the nearest point towards the client that saw it; empty: none did
};

struct Path {
  std::uint64_t signature = 0;  ///< of the ordered points
  std::vector<PathHop> hops;    ///< client first
  bool unordered = false;       ///< two hops share a tier
  std::vector<MissingPoint> missing;
};

/// One path as learned, for the person to read.
struct RouteSummary {
  std::uint64_t signature = 0;
  std::vector<std::string> points;
  std::uint64_t requests = 0;
  bool unordered = false;
  bool hint_disagrees = false;  ///< the order given by the person contradicts what packets say
};

struct PathCounters {
  std::uint64_t variants_refused = 0;  ///< groups not learned from: kVariantsMax reached
  std::uint64_t hops_refused = 0;      ///< sightings beyond VoteMatrix::kNodesMax points of one request
  std::uint64_t facets_refused = 0;    ///< see VirtualPoints
};

class PathModel {
 public:
  static constexpr std::size_t kVariantsMax = 4096;

  /// `points` must outlive the model.
  explicit PathModel(const PointTable& points) : points_(points) {}

  void learn_points(const Group& group) { virtual_points_.learn(group); }
  void observe(const Group& group);
  void solve();

  /// The group's hops in order. Works for a group that was never observed, with less to go by.
  Path path_of(const Group& group) const;

  std::vector<RouteSummary> routes() const;  ///< by requests, most first; needs solve()
  PathCounters counters() const;

 private:
  using Nodes = std::vector<NodeId>;
  using VariantKey = std::pair<Nodes, std::uint64_t>;
  using Servers = std::vector<std::pair<NodeId, std::uint64_t>>;  ///< hash of the server's address as seen at a node

  /// Requests over one set of points to one server (as addressed at each point): they all go one way.
  struct Variant {
    VoteMatrix votes;
    std::vector<NodeFacts> facts;
    Servers servers;
    std::uint64_t requests = 0;
    std::size_t route = 0;
  };
  /// All requests over one set of points in one direction.
  struct Route {
    Nodes nodes;  ///< sorted
    VoteMatrix votes;
    std::vector<NodeFacts> facts;
    Servers servers;
    std::uint64_t requests = 0;
    Order order;
    std::uint64_t signature = 0;
    std::vector<MissingPoint> missing;
  };
  /// A group's sightings by node.
  struct Sighted {
    Nodes nodes;                       ///< sorted
    std::vector<std::size_t> records;  ///< in the order of `nodes`
    std::uint64_t servers_hash = 0;
  };

  Sighted sight(const Group& group) const;
  static VoteMatrix votes_in(const Group& group, const Sighted& sighted);
  std::vector<NodeFacts> facts_of(const Group& group, const Sighted& sighted) const;
  void gather_routes();
  std::vector<double> borrowed_votes(std::size_t route) const;
  void find_missing(Route& route) const;
  const Route* route_of(const Group& group, const Sighted& sighted) const;
  std::uint64_t signature_of(const Nodes& nodes, const Order& order) const;
  std::string node_name(NodeId node) const;

  const PointTable& points_;
  VirtualPoints virtual_points_;
  std::map<VariantKey, Variant> variants_;
  std::vector<Route> routes_;  ///< by requests, most first
  std::map<Nodes, std::vector<std::size_t>> routes_by_nodes_;
  std::uint64_t variants_refused_ = 0;
  std::uint64_t hops_refused_ = 0;
};

}  // namespace hoptap::linker
