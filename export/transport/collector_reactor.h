// One stream at the tracer: gRPC's events in, CollectorStream decides, gRPC's operations out. Lives until gRPC is done
// with it and nobody waits for it any more. Private to transport.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "export/transport/collector_stream.h"
#include "export/transport/probe_sessions.h"

namespace hoptap::exporting {

/// What all streams of a server share.
struct CollectorShared {
  CollectorShared(BatchSink& where, CollectorConfig what);

  BatchSink& sink;
  const CollectorConfig config;
  CollectorTally tally;
  ProbeSessions sessions;
};

class CollectorReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                               public SessionStream,
                               public std::enable_shared_from_this<CollectorReactor> {
 public:
  /// `done` is called last, and must let go of the stream.
  CollectorReactor(std::shared_ptr<CollectorShared> shared, grpc::CallbackServerContext& context,
                   std::function<void(const CollectorReactor*)> done);

  /// Begins to read, or ends at once when `refuse` says so.
  void begin(StreamEndReason refuse, std::string words);
  /// Ends when all that is being stored is answered, or at once.
  void stop(bool at_once);

  void replace() override;
  void go() override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void take(v1::FromProbe&& message);
  void store(ReceivedBatch&& batch);
  void stored(std::uint64_t sequence, const StoreResult& result);
  void end(StreamEndReason reason, std::string words);
  void pump();  ///< starts whatever may be started; locked
  void finish();
  std::unique_ptr<grpc::Alarm> after(std::chrono::nanoseconds wait, void (CollectorReactor::*call)());
  void hello_is_late();
  void may_read_again();
  void finish_is_late();

  const std::shared_ptr<CollectorShared> shared_;
  grpc::CallbackServerContext& context_;  ///< gone after OnDone()
  std::function<void(const CollectorReactor*)> done_;
  std::mutex mutex_;
  CollectorStream stream_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  bool entered_ = false;  ///< the sessions know it
  bool reading_ = false;  ///< a read is under way, or its message is being handled
  bool slowed_ = false;   ///< a rate limit holds up the next read
  bool writing_ = false;
  bool finished_ = false;  ///< Finish() was called: no operation after it
  bool at_once_ = false;
  bool greeting_ = false;  ///< the sink is being asked
  bool greeted_ = false;   ///< the sink said welcome and is owed a goodbye
  bool gone_ = false;      ///< OnDone() was called
  std::unique_ptr<grpc::Alarm> hello_alarm_, slow_alarm_, finish_alarm_;
};

}  // namespace hoptap::exporting
