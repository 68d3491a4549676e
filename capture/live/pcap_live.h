// Captures from an interface by libpcap: where the ring of ring_source.h does not do. Packets are copied once more.
#pragma once

#include <memory>

#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::capture {

/// Like open_ring(). libpcap takes any link type it knows, and "any" for all interfaces; it has no fanout, and opens no
/// interface that is down. Its buffer has the size of the ring.
[[nodiscard]] base::Outcome<std::unique_ptr<LiveSource>> open_pcap_live(const LiveConfig& config);

}  // namespace hoptap::capture
