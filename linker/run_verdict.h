// The verdict over all requests of a run. Feed every trace with its judgement, then finish(). Memory is bounded by the
// number of places and by fixed samples. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sketch.h"
#include "linker/fault_scope.h"
#include "linker/slow_sample.h"
#include "linker/verdict.h"

namespace hoptap::linker {

/// Copies (packets) lost, by direction.
struct CopiesLost {
  std::uint64_t request = 0;
  std::uint64_t response = 0;
  std::uint64_t total() const { return request + response; }
};

struct RunVerdict : Verdict {
  std::uint64_t requests = 0;    ///< traces with times
  std::uint64_t unanswered = 0;  ///< traces without
  std::uint64_t slow = 0;        ///< requests with a material excess
  double share_of_excess = 0;    ///< of the slow requests' excess, the culprit's, 0..1
  std::int64_t excess_p95_ns = 0;
  CopiesLost lost_here;  ///< in the culprit segment, all requests
  CopiesLost lost_elsewhere;
  std::int64_t server_ns = 0;        ///< median of the slow requests
  std::int64_t server_usual_ns = 0;  ///< median of the others
  std::string server_point;          ///< the last point of most requests
  bool server_known = false;         ///< it is at the server
  std::int64_t response_p50_ns = 0;
  std::int64_t response_p95_ns = 0;
  std::vector<std::uint64_t> evidence;  ///< up to three trace ids, worst first
  struct Missing {
    std::string point;
    double share = 0;  ///< of the requests that do not show it
  };
  std::vector<Missing> missing;       ///< points missing from some requests
  std::size_t points_max = 0;         ///< timed points of the richest trace
  Place leading;                      ///< of kNone: where most of the slow requests' excess is, not enough to blame it
  std::int64_t leading_ns = 0;        ///< the excess there, median
  std::string because;                ///< of kCannotTell: why
  std::vector<std::string> inside;    ///< points within the culprit segment that did not see these requests
  std::optional<SharedBy> shared_by;  ///< what tells the slow requests from the others
  std::uint64_t resets = 0;           ///< requests that were reset instead of answered
  std::uint64_t resets_here = 0;      ///< of kReset: by the culprit
};

class RunJudge {
 public:
  /// A trace that shows a verdict well; greater is better.
  struct Evidence {
    std::int64_t excess_ns;
    std::uint64_t trace;
    bool operator>(const Evidence& other) const {
      return std::pair(excess_ns, other.trace) > std::pair(other.excess_ns, trace);
    }
  };

  static constexpr std::size_t kPlacesMax = 1024;  ///< places beyond are not judged

  void add(const Trace& trace, const Judgement& judgement);
  RunVerdict finish() const;
  std::uint64_t places_refused() const { return places_refused_; }
  std::uint64_t scopes_refused() const { return scope_.refused(); }

 private:
  /// Of one place, over all requests and over the slow ones.
  struct PlaceSums {
    base::Sketch times;               ///< all requests
    base::Sketch baselines;           ///< slow requests
    base::Sketch excesses;            ///< slow requests it is the culprit of
    CopiesLost lost;                  ///< all requests
    std::int64_t owned_ns = 0;        ///< all requests: with sending paced by it
    std::int64_t slow_time_ns = 0;    ///< slow requests
    std::int64_t slow_excess_ns = 0;  ///< slow requests
    std::uint64_t culprit_of = 0;
    std::uint64_t culprit_with_loss = 0;
    bool spans_missing = false;
    bool unordered = false;
    std::vector<Evidence> evidence;
  };
  using Places = std::map<Place, PlaceSums>;
  /// Places, those that span missing points merged into the segment within that shows the fault itself.
  struct Merged {
    Places places;
    std::map<Place, Place> home;  ///< of the merged ones
  };

  struct ResetSums {
    std::uint64_t requests = 0;
    double confidence = 0;  ///< sum
    std::vector<Evidence> evidence;
  };

  PlaceSums* sums_of(const Place& place);
  void add_losses(const Trace& trace);
  void add_gaps(const Trace& trace, const Judgement& judgement);
  void add_slow(const Trace& trace, const Judgement& judgement);
  void add_unanswered(const Trace& trace, const Judgement& judgement);
  const Place* leading_reset() const;
  void settle_reset(const Place& place, RunVerdict& verdict) const;
  const Place* home_within(const Place& span) const;
  Merged merged_places() const;
  const Place* leading_place(const Places& places) const;
  bool is_enough(const Place& place, const PlaceSums& sums) const;
  const Place* dominant_segment(const Places& places) const;
  const Place* dominant_server(const Places& places) const;
  void settle_contrast(const Place& place, const Merged& merged, RunVerdict& verdict) const;
  void settle_dominant(const Place& place, const PlaceSums& sums, RunVerdict& verdict) const;
  void doubt(const Place& place, const PlaceSums& sums, RunVerdict& verdict) const;
  void add_context(RunVerdict& verdict) const;

  Places places_;
  std::map<Place, ResetSums> resets_;
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> gaps_;  ///< points missing in a segment
  std::map<std::string, std::uint64_t> missing_;
  struct ServerEnd {
    std::uint64_t requests = 0;
    std::uint64_t known = 0;
    std::uint64_t hidden = 0;
  };
  std::map<std::string, ServerEnd> server_ends_;
  SlowSample sample_;
  FaultScope scope_;
  base::Sketch responses_;
  base::Sketch servers_;  ///< of the requests that are not slow
  base::Sketch servers_of_slow_;
  std::uint64_t requests_ = 0;
  std::uint64_t unanswered_ = 0;
  std::uint64_t slow_ = 0;
  std::uint64_t reset_ = 0;
  std::uint64_t places_refused_ = 0;
  std::size_t points_max_ = 0;  ///< timed points of the richest trace
  std::int64_t total_ns_ = 0;
  std::int64_t slow_total_ns_ = 0;
  std::int64_t slow_excess_ns_ = 0;
};

}  // namespace hoptap::linker
