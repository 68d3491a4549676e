// When and in which segment a byte passed.
#pragma once

#include <cstdint>

#include "decode/decoded.h"

namespace hoptap::flowtable {

/// What is kept of the packet that first carried a byte.
struct Stamp {
  std::uint64_t time_ns = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::uint32_t ack = 0;  ///< acknowledgment number of that segment
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 0;
  bool has_ack = false;

  static Stamp of_segment(const decode::Decoded& packet) {
    const decode::Tcp& tcp = packet.tcp;
    return {packet.time_ns,
            tcp.tsval,
            tcp.tsecr,
            tcp.acknowledgment,
            packet.ip_id,
            packet.ttl,
            tcp.has(decode::tcp_flag::kAck)};
  }
  static Stamp of_datagram(const decode::Decoded& packet) {
    return {packet.time_ns, 0, 0, 0, packet.ip_id, packet.ttl, false};
  }
};

/// Order of two sequence numbers (RFC 9293 section 3.4): negative when a is before b, across the wrap.
constexpr std::int32_t sequence_distance(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b); }

/// What went wrong in one direction so far; monotonic.
struct DirectionHealth {
  std::uint32_t out_of_order = 0;
  std::uint32_t duplicate_acks = 0;
  std::uint32_t sack_blocks = 0;
  std::uint64_t unseen_bytes = 0;
  std::uint64_t zero_window_ns = 0;
};

}  // namespace hoptap::flowtable
