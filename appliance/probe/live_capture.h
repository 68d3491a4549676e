// Every interface that a probe listens at, as points; a thread for each, or several (live_worker.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "appliance/probe/live_worker.h"
#include "appliance/probe/point_set.h"
#include "capture/live/descriptor.h"

namespace hoptap::appliance {

/// Used by the thread that gathers records.
class LiveCapture final : public PointSet {
 public:
  static constexpr std::uint32_t kPointsPerInput = 1u << 16;  ///< record.point / this: which interface

  /// Opens every interface, and drops privileges (privileges.h). Fails, in words, when one cannot be opened.
  /// config.input and .point are of no matter.
  [[nodiscard]] static base::Outcome<std::unique_ptr<LiveCapture>> open(const std::vector<LiveInput>& inputs,
                                                                        const LiveWorkerConfig& config);
  /// Begins to listen: what came since they were opened is in the rings.
  void start();

  /// Gives the sink what the workers have made, and looks how they stand. @return records
  std::size_t gather(flowtable::RecordSink& sink);

  /// No more packets. What is open is given out: gather() until has_ended().
  void stop();

  /// How each interface stands, over its workers. Any thread.
  std::vector<LiveStatus> look() const;

  /// How an interface stood at the last gather(), over its workers. reached_ns: the least.
  const LiveStatus& status(std::size_t at) const { return statuses_[at]; }
  const LiveInput& input(std::size_t at) const { return inputs_[at]; }
  std::size_t inputs() const { return inputs_.size(); }
  /// The points that the interface's mirrored packets come from, so far; any thread. By MirrorPoint::number.
  std::map<std::uint16_t, PointHint> mirrors(std::size_t at) const;

  std::size_t size() const override;
  void each(const std::function<void(const PointMoment&)>& visit) const override;
  exporting::BatchPoint about(std::uint32_t point) const override;
  bool has_ended() const override;

  /// Is there one that is listened at by a program in the kernel?
  bool attaches_programs() const;

 private:
  explicit LiveCapture(std::vector<LiveInput> inputs) : inputs_(std::move(inputs)), statuses_(inputs_.size()) {}

  struct Member {
    std::size_t input;
    std::unique_ptr<LiveWorker> worker;
  };
  std::vector<LiveInput> inputs_;
  std::vector<LiveStatus> statuses_;
  capture::Descriptor fanout_program_;  ///< none: without eBPF the sources have one of their own
  std::vector<std::shared_ptr<decode::MirrorPoints>> mirrors_;  ///< of each interface
  std::vector<Member> members_;
};

}  // namespace hoptap::appliance
