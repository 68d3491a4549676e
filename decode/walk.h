// Takes one packet apart, layer by layer. Private to decode/.
#pragma once

#include <cstdint>
#include <span>

#include "capture/packet.h"
#include "decode/decoded.h"

namespace hoptap::decode {

/// Decodes a packet of `link_type` into `out`, which must be as newly made, and returns its outcome.
/// UDP to one of `vxlan_ports` is read as VXLAN if it looks so.
Outcome decode_packet(const capture::Packet& packet, capture::LinkType link_type,
                      std::span<const std::uint16_t> vxlan_ports, Decoded& out);

}  // namespace hoptap::decode
