// Every interface that a probe listens at, as points; a thread for each, or several (live_worker.h). Names that stand
// for many are looked up again and again: interfaces come and go.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
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

  /// Gives the sink what the workers have made, and looks how they stand, and which interfaces have come. @return
  /// records
  std::size_t gather(flowtable::RecordSink& sink);

  /// No more packets. What is open is given out: gather() until has_ended().
  void stop();

  /// How each interface stands, over its workers. Any thread.
  std::vector<LiveStatus> look() const;

  /// How an interface stood at the last gather(), over its workers. reached_ns: the least.
  const LiveStatus& status(std::size_t at) const { return statuses_[at]; }
  const LiveInput& input(std::size_t at) const;            ///< any thread; stays
  std::size_t inputs() const { return statuses_.size(); }  ///< as of the last gather()
  const std::vector<LiveInput>& patterns() const { return patterns_; }
  /// What kept interfaces that match from being listened at, so far.
  const std::vector<std::string>& troubles() const { return troubles_; }
  /// The points that the interface's mirrored packets come from, so far; any thread. By MirrorPoint::number.
  std::map<std::uint16_t, PointHint> mirrors(std::size_t at) const;

  std::size_t size() const override;
  void each(const std::function<void(const PointMoment&)>& visit) const override;
  exporting::BatchPoint about(std::uint32_t point) const override;
  bool has_ended() const override;

  /// Is there one that is listened at by a program in the kernel?
  bool attaches_programs() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Member {
    std::size_t input;
    std::unique_ptr<LiveWorker> worker;
  };
  /// An interface that a pattern stands for.
  struct Found {
    std::size_t pattern;
    bool is_open = false;
    bool is_closing = false;
    std::optional<Clock::time_point> gone_since;
  };

  explicit LiveCapture(LiveWorkerConfig config) : config_(std::move(config)) {}
  base::Outcome<void> open_input(std::size_t at, const LiveInput& input);
  void search();
  void let_in(std::size_t pattern, const LiveInput& input);
  void close_gone();
  void refuse(const std::string& place, const std::string& why);

  LiveWorkerConfig config_;  ///< of all
  std::vector<LiveInput> patterns_;
  std::size_t inputs_max_ = 0;
  std::uint32_t shared_ = 0;  ///< fanout groups
  Clock::time_point next_search_{};
  std::map<std::size_t, Found> found_;                ///< by input
  std::map<std::string, std::size_t> places_;         ///< inputs, by namespace and name
  std::set<std::string> refused_;                     ///< places that were told not to be listened at
  std::map<std::string, Clock::time_point> retries_;  ///< of places that could not be opened, not before
  std::vector<std::string> troubles_;
  std::vector<LiveStatus> statuses_;
  int opens_left_ = 0;  ///< of this search
  bool has_started_ = false;
  bool is_stopping_ = false;

  mutable std::mutex mutex_;  ///< over what follows, which only the gathering thread changes
  std::deque<LiveInput> inputs_;
  std::vector<LiveStatus> past_;        ///< of each, of workers that are no more
  capture::Descriptor fanout_program_;  ///< none: without eBPF the sources have one of their own
  std::vector<std::shared_ptr<decode::MirrorPoints>> mirrors_;  ///< of each interface
  std::vector<Member> members_;
};

}  // namespace hoptap::appliance
