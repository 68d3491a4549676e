#include "appliance/forge/route.h"

#include <algorithm>

namespace hoptap::forge {
namespace {

const std::string kHost;

/// How many layers of encapsulation packets have between place `at - 1` and place `at`.
std::vector<int> depths_of(const std::vector<Element*>& elements) {
  std::vector<int> depths{0};
  for (const Element* element : elements) depths.push_back(depths.back() + element->tunnel_step());
  return depths;
}

/// The link layer at `at` of the packet that is inside of `depth` tunnels.
Link link_at(const std::vector<Element*>& elements, const std::vector<int>& depths, std::size_t at, int depth) {
  // A device ends the link of depth d when it handles packets of that depth: a router between tunnels of depth d, or
  // the end of the tunnel that makes packets of depth d.
  const auto ends = [&](std::size_t i) {
    const Element& element = *elements[i];
    const int outside = std::min(depths[i], depths[i + 1]);
    if (element.tunnel_step() != 0) return outside + 1 == depth || (element.ends_link() && outside == depth);
    return element.ends_link() && depths[i] == depth;
  };
  Link link;
  for (std::size_t i = 0; i < at; ++i)
    if (ends(i)) link.client_side = elements[i]->number();
  for (std::size_t i = elements.size(); i-- > at;)
    if (ends(i)) link.server_side = elements[i]->number();
  return link;
}

}  // namespace

Route make_route(const std::vector<Element*>& elements, const std::vector<const std::string*>& point_names) {
  Route route;
  const std::vector<int> depths = depths_of(elements);
  const std::string* before = &kHost;
  for (std::size_t at = 0; at < elements.size(); ++at) {
    Place place{.element = elements[at], .links = {}, .point_before = before, .point_behind = &kHost};
    for (int depth = 0; depth <= depths[at]; ++depth)
      place.links[static_cast<std::size_t>(depth)] = link_at(elements, depths, at, depth);
    if (point_names[at] != nullptr) before = point_names[at];
    if (route.service.port == 0) route.service = elements[at]->service();
    route.places.push_back(place);
  }
  const std::string* behind = &kHost;
  for (std::size_t at = elements.size(); at-- > 0;) {
    if (point_names[at] != nullptr) behind = point_names[at];
    route.places[at].point_behind = behind;
  }
  return route;
}

}  // namespace hoptap::forge
