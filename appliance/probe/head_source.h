// Captures from an interface by eBPF (bpf-optional/head_tap.h): the heads of packets, copied by a program in the
// kernel. It takes less of the host's programs than a ring does.
#pragma once

#include <memory>

#include "base/result.h"
#include "capture/live/live_source.h"

namespace hoptap::appliance {

/// Like capture::open_ring(), without fanout, promiscuous mode and the NIC's time; needs CAP_BPF, CAP_PERFMON and
/// CAP_NET_ADMIN as well. Its ring is of bpf::HeadTap::ring_bytes(). `head_bytes`: HeadTapConfig.
[[nodiscard]] base::Outcome<std::unique_ptr<capture::LiveSource>> open_head_source(const capture::LiveConfig& config,
                                                                                   std::uint32_t head_bytes,
                                                                                   bool only_by_filter = false);

}  // namespace hoptap::appliance
