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
        sent_(ledger == nullptr ? nullptr : &ledger->side(direction)),
        answered_(ledger == nullptr ? nullptr : &ledger->side(opposite(direction))),
        context_(context) {}

  /// Whatever the packet is.
  void add_any();

  /// After add_any(): may the flow be calm? A TCP flow, both ends of which have sent and acknowledged, none has closed,
  /// nothing waits behind a hole, and that one feed shows on one wire.
  bool leaves_calm() const;

  // What a plain packet needs only now and then; see plain_packet.h.
  void note_odd_acknowledgment(std::uint32_t ack);
  void note_window();
  void note_limit_of(const FlowSide& sender, LedgerSide& state);
  void open_session();

 private:
  bool is_pure() const {
    constexpr std::uint8_t kNotPlain = decode::tcp_flag::kSyn | decode::tcp_flag::kFin | decode::tcp_flag::kRst;
    return packet_.payload_wire_bytes == 0 && (tcp_.flags & kNotPlain) == 0;
  }

  void add_without_ledger();
  void add_tcp();
  void note_acknowledgment();
  void note_data();
  void add_udp();
  void note_looks();
  void note_flags();
  void note_handshake();
  void note_client_ack();
  void note_duplicate_ack();
  void note_close();

  const decode::Decoded& packet_;
  const decode::Tcp& tcp_;
  Direction direction_;
  Flow& flow_;
  FlowSide& own_;
  FlowSide& other_;
  Ledger* ledger_;
  LedgerSide* sent_;      ///< of the data that goes as this packet
  LedgerSide* answered_;  ///< of the data that it acknowledges
  TableContext& context_;
};

}  // namespace hoptap::flowtable
