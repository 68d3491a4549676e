// What a capture source hands out: packets that borrow their bytes, and the interfaces they came in by.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace hoptap::capture {

/// How the first bytes of a packet are to be read: a LINKTYPE_ value as in pcap files
/// (https://www.tcpdump.org/linktypes.html); LINKTYPE_ and DLT_ numbers that differ are normalised
/// to LINKTYPE_ by the source.
using LinkType = std::uint16_t;

/// Interface ids are below this; those from here on are decode's, for the points that mirrored packets come from.
inline constexpr std::uint16_t kInterfacesMax = 0xff00;

/// One interface of a source: a pcap file has one, a pcapng file as many as it describes.
struct Interface {
  std::string name;              ///< "" when the source does not say
  LinkType link_type = 1;        ///< LINKTYPE_ETHERNET
  std::uint32_t snap_bytes = 0;  ///< packets are cut to this; 0: not limited or not known
  std::uint32_t unit_ns = 0;     ///< times are multiples of this; 0: not known, or more than 32 bits hold
};

/// One captured packet. The bytes stay valid until the next poll() of the source.
struct Packet {
  base::Bytes bytes;
  std::uint64_t time_ns = 0;       ///< since the epoch
  std::uint32_t wire_bytes = 0;    ///< length on the wire; bytes.size() may be less
  std::uint16_t interface_id = 0;  ///< index into Source::interfaces()
};

}  // namespace hoptap::capture
