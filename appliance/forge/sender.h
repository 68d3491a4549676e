// The sending half of a TCP end: what is on its way, when it counts as lost, when it is sent again. Works on offsets
// in the stream; knows nothing of headers. RFC 5681 (congestion), 6298 (timer), 6675 (SACK), 8985 (RACK and
// tail-loss probe), 9293 (zero window), with Linux's constants. Private to the forge; one thread. Its endpoint owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "appliance/forge/exchange.h"
#include "appliance/forge/packet.h"

namespace hoptap::forge {

/// What the sender asks of the end that it belongs to.
class SenderOutput {
 public:
  virtual ~SenderOutput() = default;
  /// Sends bytes [from, end); the byte behind all written ones is the FIN.
  virtual void send_piece(std::uint64_t from, std::uint64_t end, Cause cause) = 0;
  virtual void send_window_probe() = 0;
  /// Data waits for nothing but a window (true), or does not any more.
  virtual void blocked(bool is_blocked) = 0;
  /// Sent again and again without an answer.
  virtual void give_up() = 0;
};

class Sender {
 public:
  explicit Sender(SenderOutput& output) : output_(output) {}

  struct Start {
    std::uint32_t mss = 0;          ///< payload bytes
    std::uint32_t burst_bytes = 0;  ///< given to the network card at once (TSO)
    std::uint32_t window = 0;
    Time round_trip = 0;  ///< of the handshake; 0: not known
  };
  void start(Time now, const Start& start);
  void write(Time now, std::uint64_t written);  ///< there are so many bytes now
  void close(Time now);                         ///< a FIN follows them
  void acknowledge(Time now, std::uint64_t upto, std::uint32_t window, std::span<const SackBlock> sacks);
  void stop();

  Time deadline() const;  ///< when to call expire(); -1: never
  void expire(Time now);

  std::uint64_t next() const { return next_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  bool is_blocked() const { return blocked_; }
  bool done() const { return closing_ && acknowledged_ == limit(); }
  Time timeout() const;

 private:
  struct Sent {
    std::uint64_t from;
    std::uint64_t end;
    Time time;
    bool resent;
    bool sacked;
    bool lost;
    std::uint64_t bytes() const { return end - from; }
  };
  enum class Mode { kOpen, kFastRecovery, kLoss };

  std::uint64_t limit() const { return written_ + (closing_ ? 1 : 0); }
  std::uint64_t in_flight() const;
  void delivered(Time now, const Sent& piece);
  void take_acknowledged(Time now, std::uint64_t upto);
  void take_sacks(Time now, std::span<const SackBlock> sacks);
  void measure(Time round_trip);
  void grow_window(std::uint64_t bytes);
  void detect_losses(Time now);
  void enter_recovery(Mode mode);
  void push(Time now);
  bool resend_lost(Time now);
  bool send_new(Time now);
  void resend(Time now, std::size_t at, Cause cause);
  void probe_tail(Time now);
  void time_out(Time now);
  void probe_window(Time now);
  void plan_tail_probe(Time now);
  void look_if_blocked(Time now);

  SenderOutput& output_;
  std::uint32_t mss_ = 0;
  std::uint32_t burst_bytes_ = 0;
  std::deque<Sent> board_;  ///< sent and not acknowledged, in order, without holes
  std::uint64_t acknowledged_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t written_ = 0;
  bool closing_ = false;
  std::uint64_t right_edge_ = 0;  ///< of the peer's window
  bool blocked_ = false;
  bool stopped_ = true;

  std::uint64_t congestion_window_ = 0;
  std::uint64_t slow_start_threshold_ = UINT64_MAX;
  Mode mode_ = Mode::kOpen;
  std::uint64_t recovery_end_ = 0;

  Time smoothed_ = 0;  ///< round trip; 0: none measured
  Time variation_ = 0;
  Time shortest_ = 0;
  int backoff_ = 0;

  // RACK: the youngest packet known to have arrived.
  Time rack_time_ = -1;
  std::uint64_t rack_end_ = 0;
  Time rack_round_trip_ = 0;

  std::uint64_t tail_probe_end_ = 0;  ///< a tail-loss probe is out until this is acknowledged; 0: none
  Time resend_at_ = -1;
  Time tail_probe_at_ = -1;
  Time reorder_at_ = -1;
  Time window_probe_at_ = -1;
};

}  // namespace hoptap::forge
