// Where the flow table puts its records.
#pragma once

#include "flowtable/record.h"

namespace hoptap::flowtable {

/// Called by the worker that owns the flow table, between batches of packets.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void hop(HopRecord&& record) = 0;
  virtual void leg(LegRecord&& record) = 0;
};

}  // namespace hoptap::flowtable
