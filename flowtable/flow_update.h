// What one packet does to its flow: TCP state, metrics, data to the session. Definitions: docs/metrics.md.
#pragma once

#include "decode/decoded.h"
#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// Made for one packet; keeps nothing.
class FlowUpdate {
 public:
  /// @param ledger  of the flow; null when it has none (yet)
  FlowUpdate(const decode::Decoded& packet, Direction direction, Flow& flow, Ledger* ledger, TableContext& context)
      : packet_(packet),
        tcp_(packet.tcp),
        direction_(direction),
        flow_(flow),
        own_(flow.side(direction)),
        other_(flow.side(opposite(direction))),
        ledger_(ledger),
        context_(context) {}

  /// Everything that is counted of every packet; then the transport's part.
  void run();

 private:
  void count();
  void add_tcp();
  void add_udp();
  void note_flags();
  void note_handshake();
  void note_client_ack();
  void note_acknowledgment();
  void note_duplicate_ack(bool pure);
  void note_round_trips(bool advanced);
  void note_window();
  void note_limit();
  void note_data();
  void note_turn();
  void note_close();
  Session* session();
  std::uint32_t receive_window(const FlowSide& receiver, const FlowSide& sender) const;
  LedgerSide& sent() { return ledger_->side(direction_); }               ///< of the data that goes as this packet
  LedgerSide& answered() { return ledger_->side(opposite(direction_)); }  ///< of the data that it acknowledges

  const decode::Decoded& packet_;
  const decode::Tcp& tcp_;
  Direction direction_;
  Flow& flow_;
  FlowSide& own_;
  FlowSide& other_;
  Ledger* ledger_;
  TableContext& context_;
};

/// The receiver's window is no longer zero or too small, or the leg has ended: adds the time it was.
void settle_windows(LedgerSide& state, std::uint64_t now_ns);

}  // namespace hoptap::flowtable
