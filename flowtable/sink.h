// Where the flow table puts its records.
#pragma once

#include "flowtable/metrics.h"
#include "flowtable/record.h"

namespace hoptap::flowtable {

/// Called by the worker that owns the flow table, from within FlowTable::add() and finish(). The records
/// are the table's own and used again: gone when the call returns.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void hop(const HopRecord& record) = 0;
  virtual void leg(const LegRecord& record) = 0;
  /// What a flow did since this was last called for it; see FlowTableConfig::metrics_interval_ns.
  virtual void metrics(const FlowMetrics&) {}
};

}  // namespace hoptap::flowtable
