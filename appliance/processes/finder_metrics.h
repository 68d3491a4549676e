// What /metrics says of the processes that were found.
#pragma once

#include "appliance/processes/finder.h"
#include "export/metrics/open_metrics.h"

namespace hoptap::appliance {

void write_process_metrics(const ProcessCounters& counters, exporting::MetricsWriter& out);

}  // namespace hoptap::appliance
