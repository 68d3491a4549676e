// What the tracer says of itself: metrics, health, status. Pure; private to the tracer.
#pragma once

#include <string>
#include <vector>

#include "appliance/http/router.h"
#include "appliance/tracer/tracer.h"

namespace hoptap::appliance {

std::vector<Metric> metrics_of(const TracerStatus& status);
Health health_of(const TracerStatus& status);
std::string status_json(const TracerStatus& status, const std::vector<ProbeState>& probes);

}  // namespace hoptap::appliance
