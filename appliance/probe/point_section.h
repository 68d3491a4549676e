// What a configuration says of a point, and of a feed: what is mirrored to it, whose time it has. Throws YamlError.
#pragma once

#include "appliance/points.h"
#include "appliance/replay.h"
#include "appliance/yaml/section.h"

namespace hoptap::appliance {

/// `role` and `order`.
void read_role(const Section& section, PointHint& point);

/// `mirrors` and `time`.
FeedConfig read_feed(const Section& section);

}  // namespace hoptap::appliance
