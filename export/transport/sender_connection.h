// One connection of the sender, from Hello to its end: keeps the tracer's window full and deletes what it acknowledges.
// One thread. Borrows the spool and the config. Private to transport.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "export/transport/sender.h"
#include "export/transport/sender_call.h"

namespace hoptap::exporting {

/// Wakes the sender's thread; outlives all who may do so.
struct SenderSignal {
  std::mutex mutex;
  std::condition_variable changed;
  bool rang = false;
  bool stop = false;

  void ring();
  /// Until it rings, or stop, or `longest` is over.
  void wait(std::chrono::nanoseconds longest);
  /// Until stop or `longest` is over; true at stop.
  bool sleep(std::chrono::nanoseconds longest);
  bool stopping();
};

/// What others may ask for at any time.
struct SenderShared {
  std::mutex mutex;
  SenderStatus status;
  std::condition_variable acknowledged;

  void set_connected(bool connected);
  void set_error(std::string words);
};

class SenderConnection {
 public:
  SenderConnection(Spool& spool, const SenderConfig& config, SenderShared& shared,
                   const std::shared_ptr<SenderSignal>& signal)
      : spool_(spool), config_(config), shared_(shared), signal_(signal) {}

  /// Runs until the stream ends or stop. True when it was of use: something was delivered, or it held for a while.
  bool run();

 private:
  using Instant = std::chrono::nanoseconds;

  base::Outcome<std::shared_ptr<grpc::Channel>> channel() const;
  bool loop();  ///< false: the end
  bool take(const v1::FromTracer& message);
  bool take_welcome(const v1::Welcome& welcome);
  bool take_ack(std::uint64_t acknowledged);
  bool fill();    ///< writes the next batch if one may be on its way
  bool refill();  ///< from the spool
  bool write(SpooledBatch&& batch);
  void give_up(std::uint64_t sequence, const std::string& words);
  bool fail(std::string words);  ///< says so, and ends
  void end();
  void publish();
  Instant next_deadline() const;

  Spool& spool_;
  const SenderConfig& config_;
  SenderShared& shared_;
  std::shared_ptr<SenderSignal> signal_;
  std::unique_ptr<SenderCall> call_;
  Instant begun_{};
  Instant progress_{};  ///< the last acknowledgement, or the first batch on its way
  Instant stop_by_{};
  bool hello_sent_ = false;
  bool welcomed_ = false;
  bool delivered_ = false;
  bool failed_ = false;
  bool closing_ = false;
  bool identity_ = false;  ///< the tracer cannot read zstd
  std::uint32_t batch_bytes_max_ = 0;
  std::uint32_t window_ = 0;
  std::uint64_t sent_ = 0;          ///< the highest number written
  std::uint64_t fetched_ = 0;       ///< the highest number taken from the spool
  std::deque<SpooledBatch> ready_;  ///< taken from the spool, not written
  struct InFlight {
    std::uint64_t sequence = 0;
    std::uint64_t bytes = 0;
  };
  std::deque<InFlight> in_flight_;
  std::uint64_t bytes_held_ = 0;  ///< of ready_ and in_flight_
};

}  // namespace hoptap::exporting
