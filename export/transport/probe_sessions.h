// Which stream speaks for a spool: one at a time. A newer stream ends the older one and waits until that is done with
// the sink, so that the sink sees one probe's calls in order. Any thread. Private to transport.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "export/transport/rate_bucket.h"

namespace hoptap::exporting {

/// A stream, as the sessions see it.
class SessionStream {
 public:
  virtual ~SessionStream() = default;
  virtual void replace() = 0;  ///< another stream of the same spool has come: end
  virtual void go() = 0;       ///< the spool is yours now
};

class ProbeSessions {
 public:
  ProbeSessions(std::uint64_t bytes_per_second, std::uint64_t batches_per_second, std::size_t idle_max)
      : fresh_(bytes_per_second, batches_per_second), idle_max_(idle_max) {}

  /// Calls go() of `stream`, now or when the one that has the spool leaves.
  void enter(const std::string& instance, const std::shared_ptr<SessionStream>& stream);
  /// Every stream that entered leaves, also one that still waited.
  void leave(const std::string& instance, const SessionStream* stream);
  /// Takes a batch of the probe out of its bucket: how long to wait before the next.
  std::chrono::nanoseconds spend(const std::string& instance, std::uint64_t bytes, RateBucket::Instant now);

 private:
  struct Session {
    std::shared_ptr<SessionStream> holder;
    std::shared_ptr<SessionStream> waiting;
    RateBucket bucket;
  };
  void forget_idle();

  RateBucket fresh_;
  std::size_t idle_max_;
  std::mutex mutex_;
  std::map<std::string, Session> sessions_;  ///< by instance; kept a while after the stream, for the bucket
};

}  // namespace hoptap::exporting
