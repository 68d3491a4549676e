// What a configuration says of a point, and of the mirrored packets of a feed. Throws YamlError.
#pragma once

#include <vector>

#include "appliance/mirrors.h"
#include "appliance/points.h"
#include "appliance/yaml/section.h"

namespace hoptap::appliance {

/// `role` and `order`.
void read_role(const Section& section, PointHint& point);

/// The list `mirrors`; none without it.
std::vector<MirrorHint> read_mirrors(const Section& feed);

}  // namespace hoptap::appliance
