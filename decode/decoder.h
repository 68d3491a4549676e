// The decode stage: packets in, Decoded out, in batches. One decoder per worker thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "capture/packet.h"
#include "decode/decoded.h"
#include "decode/ip/reassembly.h"
#include "decode/tunnel/udp_ports.h"

namespace hoptap::decode {

/// Which UDP ports are read as tunnels, if what they carry looks so. A datagram's target port counts; for L2TP and
/// Teredo its source port too.
struct DecodeConfig {
  std::vector<std::uint16_t> vxlan_ports{4789, 8472};  ///< RFC 7348; 8472 is Linux's from before
  std::vector<std::uint16_t> vxlan_gpe_ports{4790};
  std::vector<std::uint16_t> geneve_ports{6081};  ///< RFC 8926
  std::vector<std::uint16_t> gtp_ports{2152};     ///< GTP-U
  std::vector<std::uint16_t> l2tp_ports{1701};    ///< RFC 2661
  std::vector<std::uint16_t> teredo_ports{};      ///< RFC 4380 has 3544; off: stays UDP
  ReassemblyConfig reassembly{};
};

class Decoder {
 public:
  explicit Decoder(const DecodeConfig& config = {});

  /// Decodes packets[i] into decoded[i]; needs decoded.size() >= packets.size() and an entry in
  /// `interfaces` for every interface_id. Never fails: see Decoded::outcome. The results borrow the
  /// packets' bytes, or ours where a packet was put together from fragments: those live until the next call.
  void decode(std::span<const capture::Packet> packets, std::span<const capture::Interface> interfaces,
              std::span<Decoded> decoded);

  /// Packets by outcome since the start; index with static_cast<size_t>(Outcome).
  const std::array<std::uint64_t, kOutcomeCount>& counters() const { return counters_; }
  /// Packets in ERSPAN since the start.
  std::uint64_t erspan_packets() const { return erspan_packets_; }
  const ReassemblyCounters& reassembly_counters() const { return reassembler_.counters(); }
  base::Bytes reassembled() const { return reassembler_.arena(); }  ///< where the bytes that are ours lie

 private:
  using Packets = std::span<const capture::Packet>;
  using Interfaces = std::span<const capture::Interface>;

  void decode_ethernet(Packets packets, Decoded* out);  ///< with the short cut of plain.h
  void walk(const capture::Packet& packet, capture::LinkType link_type, Decoded& out);

  bool has_short_cut_ = false;  ///< this processor can
  UdpPorts ports_;
  Reassembler reassembler_;
  std::array<std::uint64_t, kOutcomeCount> counters_{};
  std::uint64_t erspan_packets_ = 0;
};

}  // namespace hoptap::decode
