// The values of a row of metrics to bytes and back, for hoptap's own database (docs/formats/store.md). Pure; any
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "export/metrics/row.h"

namespace hoptap::exporting {

void encode(const MetricsValues& values, std::vector<std::uint8_t>& out);

/// Sums that a newer version added are passed over. Refuses what does not decode to the last byte.
[[nodiscard]] base::Result<MetricsValues> decode_metrics(base::Bytes bytes);

}  // namespace hoptap::exporting
