#include "appliance/tracer/point_rows.h"

#include <map>
#include <set>
#include <string>

namespace hoptap::appliance {
namespace {

/// A point without what tells its virtual points apart: "tor-1" of "tor-1/2".
std::string real_point(const std::string& name, const std::set<std::string>& known) {
  const std::size_t slash = name.rfind('/');
  return known.count(name) > 0 || slash == std::string::npos ? name : name.substr(0, slash);
}

struct Neighbours {
  std::set<std::string> towards_client;
  std::set<std::string> towards_server;
};

std::map<std::string, Neighbours> neighbours(const linker::PathModel& paths, const std::set<std::string>& known) {
  std::map<std::string, Neighbours> found;
  for (const linker::RouteSummary& route : paths.routes()) {
    for (std::size_t at = 1; at < route.points.size(); ++at) {
      const std::string near = real_point(route.points[at - 1], known), far = real_point(route.points[at], known);
      if (near == far) continue;
      found[near].towards_server.insert(far);
      found[far].towards_client.insert(near);
    }
  }
  return found;
}

}  // namespace

std::vector<exporting::PointRow> point_rows(const KnownPoints& known, const KnownPoints::Ordered& ordered,
                                            const linker::RunModel& model, const linker::ClockBounds& clocks) {
  std::set<std::string> names;
  for (const KnownPoint& point : known.all()) names.insert(point.latest.name);
  const auto near = neighbours(model.paths(), names);
  const auto reference = clocks.reference();
  std::vector<exporting::PointRow> rows;
  for (std::uint32_t id = 0; id < ordered.here_of.size(); ++id) {
    const KnownPoint& point = known.all()[ordered.here_of[id]];
    exporting::PointRow& row = rows.emplace_back();
    row.name = point.latest.name;
    row.role = point.latest.role;
    row.probe = point.probe;
    row.completeness_to_server = model.completeness().share(id, linker::Way::kToServer);
    row.completeness_to_client = model.completeness().share(id, linker::Way::kToClient);
    row.first_ns = point.first_ns;
    row.reached_ns = point.latest.reached_ns;
    row.hops = point.hops;
    row.legs = point.legs;
    row.packets = point.latest.packets;
    row.lost_packets = point.latest.lost_packets;
    row.stamps = point.latest.stamps;
    if (reference) row.clock_rate = model.rates().reference_time(id) / model.rates().reference_time(*reference);
    if (const auto bound = clocks.bound(id)) {
      row.clock_offset_ns = bound->offset_ns;
      row.clock_bound_ns = bound->bound_ns;
    }
    const auto neighbour = near.find(row.name);
    if (neighbour == near.end()) continue;
    row.towards_client.assign(neighbour->second.towards_client.begin(), neighbour->second.towards_client.end());
    row.towards_server.assign(neighbour->second.towards_server.begin(), neighbour->second.towards_server.end());
  }
  return rows;
}

}  // namespace hoptap::appliance
