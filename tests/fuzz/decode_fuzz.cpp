// Any bytes as a packet of any link type: decodes, and every view lies within the packet.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "decode/decoder.h"

namespace {

using namespace hoptap;

constexpr std::array<capture::LinkType, 8> kLinkTypes{0, 1, 101, 108, 113, 228, 229, 276};

void check(bool holds) {
  if (!holds) std::abort();
}

bool is_within(base::Bytes part, base::Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

/// The first byte picks the link type, the second says how much longer the packet was on the wire.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const base::Bytes bytes(data + 2, size - 2);
  const std::array<capture::Interface, 1> interfaces{
      capture::Interface{.link_type = kLinkTypes[data[0] % kLinkTypes.size()]}};
  const std::array<capture::Packet, 1> packets{capture::Packet{
      .bytes = bytes, .time_ns = 1, .wire_bytes = static_cast<std::uint32_t>(bytes.size()) + data[1] * 8u}};
  std::array<decode::Decoded, 1> decoded;
  decode::Decoder decoder;
  decoder.decode(packets, interfaces, decoded);
  const decode::Decoded& one = decoded[0];
  check(is_within(one.payload, bytes) && is_within(one.tcp.options, bytes));
  check(one.payload.size() <= one.payload_wire_bytes);
  check(one.tunnels.depth <= base::TunnelStack::kDepthMax && one.link.vlan_count <= base::Link::kVlansMax);
  check(decoder.counters()[static_cast<std::size_t>(one.outcome)] == 1);
  return 0;
}
