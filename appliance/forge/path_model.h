// The path of a scenario as elements: built and checked once, then asked for the routes of connections. Private to the
// forge; one thread. Owns elements and routes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "appliance/forge/point.h"
#include "appliance/forge/route.h"
#include "appliance/forge/segment.h"

namespace hoptap::forge {

/// Owns elements and routes. A span is the stretch between two hosts: one, and one more for each gateway.
class PathModel {
 public:
  /// Makes a capture file for each point in `folder`, which exists. Throws YamlError on a path that makes no
  /// sense and std::system_error when a file cannot be made.
  PathModel(const Scenario& scenario, const std::string& folder, std::uint64_t seed);

  std::size_t spans() const { return spans_.size(); }
  /// The route of a connection in a span; `hash` of its addresses picks the branches.
  const Route& route(std::size_t span, std::uint64_t hash);
  const std::vector<Point*>& points() const { return points_; }
  const std::vector<const GatewayPlan*>& gateways() const { return gateways_; }
  void close();

  /// "captures" file name of a point, e.g. 04_switch-a.pcap.
  static std::string file_name(std::size_t index, const std::string& point_name);

 private:
  struct Node {
    Element* element = nullptr;  ///< nullptr: an ecmp with branches
    Point* point = nullptr;
    Segment* segment = nullptr;
    std::vector<std::vector<Node>> branches{};
  };
  using Nodes = std::vector<Node>;
  /// Where one can be on the way from the client: behind this point, and behind this segment after it.
  struct Position {
    std::string point;
    Segment* segment = nullptr;
  };
  struct Open {
    TunnelPlan plan;
    std::uint32_t number;
  };

  Nodes build(const std::vector<ElementPlan>& plans, bool in_branch);
  Node build_one(const ElementPlan& plan, std::vector<Open>& open);
  Node build_point(const ElementPlan& plan);
  template <class Kind, class... Arguments>
  Kind& add(Arguments&&... arguments);
  std::vector<Position> walk(const Nodes& nodes, std::vector<Position> from);
  void place_faults(const Scenario& scenario);

  std::string folder_;
  std::uint64_t seed_;
  std::vector<std::unique_ptr<Element>> elements_;
  std::vector<Nodes> spans_;
  std::vector<Point*> points_;
  std::vector<const GatewayPlan*> gateways_;
  std::uint32_t tunnels_ = 0;
  std::map<std::pair<std::string, std::string>, std::vector<Segment*>> between_;  ///< adjacent points
  std::map<std::vector<std::size_t>, std::unique_ptr<Route>> routes_;
};

}  // namespace hoptap::forge
