// The records of a replay, joined on their way into an analysis.
#pragma once

#include <cstddef>
#include <utility>

#include "appliance/analysis.h"
#include "flowtable/sink.h"
#include "linker/joiner.h"

namespace hoptap::appliance {

/// One thread. `analysis` must outlive it.
class JoinedRun : public flowtable::RecordSink {
 public:
  JoinedRun(Analysis& analysis, linker::JoinLimits limits)
      : analysis_(analysis), joiner_(limits, [&analysis](linker::Group&& group) { analysis.add(std::move(group)); }) {}

  void hop(const flowtable::HopRecord& record) override { joiner_.add(record); }
  void leg(const flowtable::LegRecord& record) override { analysis_.add(record); }

  /// After the last record: the groups still waiting go on.
  void finish() { joiner_.flush(); }

  const linker::JoinCounters& counters() const { return joiner_.counters(); }

 private:
  Analysis& analysis_;
  linker::Joiner joiner_;
};

}  // namespace hoptap::appliance
