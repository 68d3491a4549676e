// A TCP segment on its way, as values: what its headers say where it is now, and which bytes of which stream it
// carries. Frames are made of it only where it is captured. Private to the forge; one thread. The network owns packets.
#pragma once

#include <array>
#include <cstdint>

#include "appliance/forge/scenario.h"

namespace hoptap::forge {

class Connection;
class Element;

enum class Toward : std::uint8_t { kServer, kClient };

constexpr Toward opposite(Toward toward) { return toward == Toward::kServer ? Toward::kClient : Toward::kServer; }
constexpr std::size_t index_of(Toward toward) { return static_cast<std::size_t>(toward); }

inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;

/// A range of a stream, and of wire sequence numbers.
struct SackBlock {
  std::uint64_t from = 0;
  std::uint64_t end = 0;
  std::uint32_t sequence = 0;  ///< of `from`, as written here
};

/// One layer of encapsulation around a packet.
struct OuterHeader {
  TunnelKind kind{};
  std::uint32_t id = 0;
  std::uint32_t source = 0;
  std::uint32_t target = 0;
  std::uint16_t source_port = 0;
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 64;
};

struct Packet {
  static constexpr std::size_t kSackBlocksMax = 3;
  static constexpr std::size_t kTunnelsMax = 2;

  Connection* connection = nullptr;
  Toward toward = Toward::kServer;
  std::int32_t place = 0;          ///< index on the connection's route: the element it is at
  std::uint32_t transmission = 0;  ///< counts what one end sends; the copies made on the way share it
  std::uint32_t number = 0;        ///< of its memory, the network's
  bool quiet = false;              ///< before the captures began

  // IP and TCP headers as they are here.
  Address source;
  Address target;
  std::uint8_t ttl = 64;
  std::uint16_t ip_id = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = 0;
  std::uint16_t window = 0;
  bool timestamps = false;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  bool sack_permitted = false;  ///< SYN only, as mss and window_scale
  std::uint16_t mss = 0;        ///< 0: no option
  std::uint8_t window_scale = 0;
  std::uint8_t sack_count = 0;
  std::array<SackBlock, kSackBlocksMax> sacks{};
  std::uint8_t tunnel_count = 0;
  std::array<OuterHeader, kTunnelsMax> tunnels{};  ///< innermost first

  // What it means to the two ends: offsets in streams, free of sequence numbers.
  std::uint64_t from = 0;  ///< of its first byte of payload
  std::uint32_t bytes = 0;
  std::uint64_t acknowledged = 0;

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

}  // namespace hoptap::forge
