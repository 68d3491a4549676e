// Sums over the packets that a live source handed out. Private to capture/.
#pragma once

#include <cstdint>
#include <span>

#include "capture/packet.h"

namespace hoptap::capture {

struct BatchSum {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;      ///< captured
  std::uint64_t truncated = 0;  ///< packets that were longer on the wire

  void add(std::span<const Packet> batch) {
    packets += batch.size();
    for (const Packet& packet : batch) {
      bytes += packet.bytes.size();
      truncated += packet.bytes.size() < packet.wire_bytes ? 1u : 0u;
    }
  }
};

}  // namespace hoptap::capture
