// What /metrics says of a probe that listens.
#pragma once

#include "appliance/probe/live_capture.h"
#include "export/metrics/open_metrics.h"

namespace hoptap::appliance {

/// How every packet of each interface ended, how its workers stand, and what came of mirrored packets. Any thread. What
/// is not known is not there.
void write_live_metrics(const LiveCapture& live, exporting::MetricsWriter& out);

}  // namespace hoptap::appliance
