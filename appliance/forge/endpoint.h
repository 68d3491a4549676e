// One end of a TCP connection: handshake, headers, acknowledgments, windows, close and reset. What a Linux socket
// would do, on the simulation's time. Private to the forge; one thread. Its connection owns it.
#pragma once

#include <cstdint>

#include "appliance/forge/event_queue.h"
#include "appliance/forge/receiver.h"
#include "appliance/forge/sender.h"

namespace hoptap::forge {

class Network;
class Stream;

/// The program that owns an end.
class Program {
 public:
  virtual ~Program() = default;
  virtual void on_established(Connection&) {}
  virtual void on_received(Connection&, std::uint64_t /*upto*/) {}  ///< all of the stream before `upto` is here
  virtual void on_acknowledged(Connection&, std::uint64_t /*upto*/) {}
  virtual void on_peer_closed(Connection&) {}
  virtual void on_reset(Connection&) {}  ///< by the other end, by something between, or given up
};

struct EndpointConfig {
  Toward toward = Toward::kServer;  ///< where it sends: to the server, if it is the client
  bool timestamps = true;
  std::uint32_t mss = 1448;       ///< payload bytes, beside timestamps if they are on
  std::uint32_t burst_bytes = 0;  ///< at once to a network card that cuts them (TSO)
  Time delayed_ack = 40 * kMillisecond;
  std::uint32_t initial_sequence = 0;
  std::uint32_t timestamp_offset = 0;
  std::uint16_t ip_id = 0;
};

class Endpoint : public Handler, private SenderOutput {
 public:
  Endpoint(EventQueue& queue, Network& network, Connection& connection, Program& program, const EndpointConfig& config);

  void connect();
  void write(std::uint64_t upto);  ///< sends its stream up to here
  void close();
  void abort();  ///< sends a reset and forgets all
  void receive(const Packet& packet);

  /// From its next packet on it shows a window of zero, until the other end has waited for so long for more.
  void close_window(Time closed_for);

  void forget(const Exchange& exchange) {
    if (waiting_ == &exchange) waiting_ = nullptr;
  }

  bool established() const { return state_ == State::kEstablished; }
  bool alive() const { return state_ != State::kClosed && state_ != State::kReset; }
  bool closing() const { return closing_; }
  /// Reset, or closed by both; no alarm will come either.
  bool is_over() const;
  const Receiver& receiver() const { return receiver_; }
  const Sender& sender() const { return sender_; }

 private:
  enum class State { kClosed, kSynSent, kSynReceived, kEstablished, kReset };
  enum Alarm : std::uint64_t { kResend, kDelayedAck, kHandshake, kReopen };

  void happen(std::uint64_t alarm) override;
  void send_piece(std::uint64_t from, std::uint64_t end, Cause cause) override;
  void send_window_probe() override;
  void blocked(bool is_blocked) override;
  void give_up() override;

  Packet& make(std::uint8_t flags);
  void send_syn();
  void send_ack();
  void send(Packet& packet);
  void answer_with_reset(const Packet& packet);
  bool take_handshake(const Packet& packet);
  void learn(const Packet& syn);
  void establish();
  void take_acknowledgment(const Packet& packet);
  void take_data(const Packet& packet);
  void note_delivery(const Packet& packet);
  void note_sent(const Packet& packet, Cause cause, Time time);
  void end_ack_loss();
  void end_by_reset();
  void set_alarm();
  Stream& stream_out();
  Stream& stream_in();
  Endpoint& peer();
  std::uint32_t payload_max() const;

  EventQueue& queue_;
  Network& network_;
  Connection& connection_;
  Program& program_;
  EndpointConfig config_;
  Sender sender_{*this};
  Receiver receiver_;
  State state_ = State::kClosed;
  Timer resend_;
  Timer delayed_ack_;
  Timer handshake_;
  Timer reopen_;

  std::uint32_t peer_initial_sequence_ = 0;
  std::uint32_t peer_mss_option_ = 0;
  bool timestamps_ = false;
  bool sack_ = false;
  std::uint32_t echo_ = 0;  ///< TSecr of what it sends
  std::uint32_t transmissions_ = 0;
  std::uint64_t last_acknowledgment_ = 0;
  int handshake_tries_ = 0;
  Time handshake_sent_ = 0;
  std::uint64_t fin_at_ = UINT64_MAX;  ///< offset of the peer's FIN
  bool closing_ = false;
  bool peer_closed_ = false;
  bool window_closed_ = false;
  Time closed_for_ = 0;
  Time blocked_since_ = -1;
  Exchange* waiting_ = nullptr;  ///< whose message the window holds up
};

}  // namespace hoptap::forge
