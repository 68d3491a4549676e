// What a round knows of each observation point, for the store. Pure; private to the tracer.
#pragma once

#include <vector>

#include "appliance/tracer/known_points.h"
#include "export/store/rows.h"
#include "linker/clock_bounds.h"
#include "linker/run_model.h"

namespace hoptap::appliance {

/// One row a point, by name.
std::vector<exporting::PointRow> point_rows(const KnownPoints& known, const KnownPoints::Ordered& ordered,
                                            const linker::RunModel& model, const linker::ClockBounds& clocks);

}  // namespace hoptap::appliance
