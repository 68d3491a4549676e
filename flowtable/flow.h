// One live leg: TCP state or a UDP conversation, at one point.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "decode/decoded.h"
#include "flowtable/half_stream.h"

namespace hoptap::flowtable {

/// Owned by the flow table; used by its thread.
class Flow {
 public:
  /// @param first  the packet that begins the leg; decides who is the client
  Flow(const decode::Decoded& first, std::uint32_t point, std::uint32_t twin, TableContext& context);

  void add(const decode::Decoded& packet);

  /// Would this packet begin another connection on the same ports?
  bool is_reused_by(const decode::Decoded& packet) const;

  /// Finished exchanges are given out; the leg goes on.
  void settle();

  /// Gives out everything, the leg's record last.
  void close(CloseType reason);

  /// Both sides have closed or one has reset.
  bool ended() const { return ended_; }
  std::uint64_t last_ns() const { return leg_.record.last_ns; }
  Direction direction_of(const decode::Decoded& packet) const;
  void count_duplicate(const decode::Decoded& packet);

 private:
  void add_tcp(const decode::Decoded& packet, Direction direction);
  void add_udp(const decode::Decoded& packet, Direction direction);
  void note_handshake(const decode::Decoded& packet, Direction direction);
  void note_acknowledgment(const decode::Decoded& packet, Direction direction);
  void note_window(const decode::Decoded& packet, Direction direction);
  void open_window(Direction data, std::uint64_t now_ns);
  void note_close(const decode::Decoded& packet, Direction direction);
  void turn_around();
  Session& session();
  HalfStream& half(Direction direction) { return *halves_[index_of(direction)]; }
  LegRecord::Direction& counts(Direction direction) {
    return direction == Direction::kToServer ? leg_.record.to_server : leg_.record.to_client;
  }

  TableContext& context_;
  Leg leg_;
  std::array<std::unique_ptr<HalfStream>, 2> halves_;    ///< TCP only
  std::unique_ptr<Session> session_;                     ///< from the first payload on
  std::array<std::uint64_t, 2> zero_window_since_ns_{};  ///< by direction of the data that waits; 0: open
  std::array<std::uint32_t, 2> last_ack_{};              ///< by direction of the data
  std::array<std::uint16_t, 2> last_window_{};
  bool direction_known_ = false;
  bool ended_ = false;
};

}  // namespace hoptap::flowtable
