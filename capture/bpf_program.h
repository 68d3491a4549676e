// Filter expressions compiled by libpcap for one link type. Private to capture/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "capture/packet.h"

struct bpf_program;  // of libpcap; its headers stay out of ours

namespace hoptap::capture {

struct FreeBpfProgram {
  void operator()(bpf_program* program) const;
};
using BpfProgram = std::unique_ptr<bpf_program, FreeBpfProgram>;

/// What a filter lets through whole: more than any packet has.
inline constexpr std::uint32_t kWholePacketBytes = 262144;

/// `expression` (pcap-filter(7); "" matches all) for packets of `link_type`. The program answers `snap_bytes` for a
/// packet that matches, else 0. Fails with libpcap's own words.
[[nodiscard]] base::Outcome<BpfProgram> compile_bpf(LinkType link_type, const std::string& expression,
                                                    std::uint32_t snap_bytes = kWholePacketBytes);

}  // namespace hoptap::capture
