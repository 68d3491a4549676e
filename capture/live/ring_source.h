// Captures from an interface by a ring shared with the kernel (AF_PACKET, TPACKET_V3; Linux from 3.2): the packets are
// lent where the kernel put them. One source is one ring and one thread; several share an interface by fanout.
#pragma once

#include <memory>

#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::capture {

/// Opens `config.interface`; packets come from now on, and only those that the filter matches. Needs CAP_NET_RAW, and
/// CAP_SYS_ADMIN for another namespace: only until it returns. May be called on any thread. The failure is one line
/// that says what to do. An interface that is down can be opened: it is kDown, unless a fanout is asked for.
[[nodiscard]] base::Outcome<std::unique_ptr<LiveSource>> open_ring(const LiveConfig& config);

}  // namespace hoptap::capture
