#include "appliance/forge/path_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "appliance/forge/offload.h"
#include "appliance/forge/rewriters.h"
#include "appliance/forge/translators.h"
#include "appliance/yaml/section.h"
#include "base/hash.h"

namespace hoptap::forge {

using appliance::YamlError;

std::string PathModel::file_name(std::size_t index, const std::string& point_name) {
  return fmt::format("{:02}_{}.pcap", index + 1, point_name);
}

PathModel::PathModel(const Scenario& scenario, const std::string& folder, std::uint64_t seed)
    : folder_(folder), seed_(seed) {
  std::vector<ElementPlan> span;
  std::vector<Position> at;
  const auto finish_span = [&] {
    spans_.push_back(build(span, false));
    walk(spans_.back(), {Position{}});
    span.clear();
  };
  for (const ElementPlan& plan : scenario.path) {
    if (const auto* gateway = std::get_if<GatewayPlan>(&plan.what)) {
      finish_span();
      gateways_.push_back(gateway);
    } else {
      span.push_back(plan);
    }
  }
  finish_span();
  if (points_.empty()) throw YamlError(0, "the path has no point: nothing would be captured; add '- point: client'");
  place_faults(scenario);
}

PathModel::Nodes PathModel::build(const std::vector<ElementPlan>& plans, bool in_branch) {
  Nodes nodes;
  std::vector<Open> open;
  for (const ElementPlan& plan : plans) {
    nodes.push_back(build_one(plan, open));
    if (open.size() > Packet::kTunnelsMax)
      throw YamlError(plan.line, fmt::format("more than {} tunnels inside each other", Packet::kTunnelsMax));
  }
  if (!open.empty())
    throw YamlError(plans.back().line, fmt::format("a tunnel has no tunnel_end before {}; add '- tunnel_end: {{}}'",
                                                   in_branch ? "its branch ends" : "the path or a gateway"));
  return nodes;
}

template <class Kind, class... Arguments>
Kind& PathModel::add(Arguments&&... arguments) {
  const auto number = static_cast<std::uint32_t>(elements_.size() + 1);
  auto element = std::make_unique<Kind>(number, std::forward<Arguments>(arguments)...);
  Kind& made = *element;
  elements_.push_back(std::move(element));
  return made;
}

PathModel::Node PathModel::build_point(const ElementPlan& plan) {
  const auto& point_plan = std::get<PointPlan>(plan.what);
  for (const Point* other : points_)
    if (other->plan().name == point_plan.name)
      throw YamlError(plan.line, fmt::format("there are two points '{}'; rename one", point_plan.name));
  const auto index = static_cast<std::uint32_t>(points_.size());
  Point& point = add<Point>(index, point_plan, folder_ + "/" + file_name(index, point_plan.name), seed_);
  points_.push_back(&point);
  return {.element = &point, .point = &point};
}

PathModel::Node PathModel::build_one(const ElementPlan& plan, std::vector<Open>& open) {
  if (std::holds_alternative<PointPlan>(plan.what)) return build_point(plan);
  if (const auto* segment_plan = std::get_if<SegmentPlan>(&plan.what)) {
    Segment& segment = add<Segment>(*segment_plan);
    return {.element = &segment, .segment = &segment};
  }
  if (const auto* dnat = std::get_if<DnatPlan>(&plan.what)) return {.element = &add<Dnat>(*dnat)};
  if (const auto* snat = std::get_if<SnatPlan>(&plan.what)) return {.element = &add<Snat>(*snat)};
  if (const auto* offload = std::get_if<OffloadPlan>(&plan.what)) return {.element = &add<Offload>(*offload)};
  if (const auto* tunnel = std::get_if<TunnelPlan>(&plan.what)) {
    open.push_back({*tunnel, ++tunnels_});
    return {.element = &add<TunnelEnd>(*tunnel, tunnels_, true)};
  }
  if (std::holds_alternative<TunnelEndPlan>(plan.what)) {
    if (open.empty()) throw YamlError(plan.line, "a tunnel_end without a tunnel before it on this stretch of the path");
    const Open tunnel = open.back();
    open.pop_back();
    return {.element = &add<TunnelEnd>(tunnel.plan, tunnel.number, false)};
  }
  if (const auto* rewrite = std::get_if<RewritePlan>(&plan.what)) {
    if (rewrite->kind == RewriteKind::kFullNat) return {.element = &add<FullNat>(*rewrite)};
    if (rewrite->kind == RewriteKind::kFirewall) return {.element = &add<Firewall>()};
    return {.element = &add<SynProxy>()};
  }
  if (const auto* ecmp = std::get_if<EcmpPlan>(&plan.what)) {
    Node node;
    for (const auto& branch : ecmp->branches) node.branches.push_back(build(branch, true));
    return node;
  }
  return {.element = &add<Router>()};
}

std::vector<PathModel::Position> PathModel::walk(const Nodes& nodes, std::vector<Position> from) {
  for (const Node& node : nodes) {
    if (node.element == nullptr) {
      std::vector<Position> all;
      for (const Nodes& branch : node.branches)
        for (Position& position : walk(branch, from)) all.push_back(std::move(position));
      from = std::move(all);
      continue;
    }
    for (Position& position : from) {
      if (node.segment != nullptr && position.segment == nullptr) position.segment = node.segment;
      if (node.point == nullptr) continue;
      const std::string& name = node.point->plan().name;
      std::vector<Segment*>& segments = between_[{position.point, name}];
      if (position.segment != nullptr &&
          std::find(segments.begin(), segments.end(), position.segment) == segments.end())
        segments.push_back(position.segment);
      position = {.point = name, .segment = nullptr};
    }
    if (node.point != nullptr && from.size() > 1) from.resize(1);  // all are at this point now
  }
  return from;
}

void PathModel::place_faults(const Scenario& scenario) {
  for (const FaultPlan& fault : scenario.faults) {
    if (!fault.has_segment()) continue;
    for (const std::string& name : {fault.from, fault.to})
      if (std::none_of(points_.begin(), points_.end(), [&](const Point* point) { return point->plan().name == name; }))
        throw YamlError(fault.line,
                        fmt::format("the segment [{}, {}]: there is no point '{}'", fault.from, fault.to, name));
    const auto found = between_.find({fault.from, fault.to});
    if (found == between_.end())
      throw YamlError(fault.line, fmt::format("the segment [{}, {}]: these points do not follow each other; a segment "
                                              "is two neighbours, client side first",
                                              fault.from, fault.to));
    if (found->second.empty())
      throw YamlError(fault.line, fmt::format("there is no '- segment:' between {} and {}; add one where the fault "
                                              "can happen",
                                              fault.from, fault.to));
    for (Segment* segment : found->second) segment->add_fault(fault);
  }
}

const Route& PathModel::route(std::size_t span, std::uint64_t hash) {
  std::vector<std::size_t> key{span};
  for (const Node& node : spans_[span])
    if (node.element == nullptr) key.push_back(base::hash_values(hash, key.size()) % node.branches.size());
  std::unique_ptr<Route>& route = routes_[key];
  if (route) return *route;
  std::vector<Element*> elements;
  std::vector<const std::string*> names;
  std::vector<std::uint32_t> indexes;
  const auto add_node = [&](const Node& node) {
    elements.push_back(node.element);
    names.push_back(node.point == nullptr ? nullptr : &node.point->plan().name);
    if (node.point != nullptr) indexes.push_back(node.point->index());
  };
  std::size_t choice = 0;
  for (const Node& node : spans_[span]) {
    if (node.element != nullptr) {
      add_node(node);
    } else {
      for (const Node& inner : node.branches[key[++choice]]) add_node(inner);
    }
  }
  route = std::make_unique<Route>(make_route(elements, names));
  route->points = indexes;
  return *route;
}

void PathModel::close() {
  for (Point* point : points_) point->close();
}

}  // namespace hoptap::forge
