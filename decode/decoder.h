// The decode stage: packets in, Decoded out, in batches. One decoder per worker thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "capture/packet.h"
#include "decode/decoded.h"

namespace hoptap::decode {

struct DecodeConfig {
  std::vector<std::uint16_t> vxlan_ports{4789, 8472};  ///< UDP target ports read as VXLAN (RFC 7348)
};

class Decoder {
 public:
  explicit Decoder(DecodeConfig config = {});

  /// Decodes packets[i] into decoded[i]; needs decoded.size() >= packets.size() and an entry in
  /// `interfaces` for every interface_id. Never fails: see Decoded::outcome. The results borrow the
  /// packets' bytes.
  void decode(std::span<const capture::Packet> packets, std::span<const capture::Interface> interfaces,
              std::span<Decoded> decoded);

  /// Packets by outcome since the start; index with static_cast<size_t>(Outcome).
  const std::array<std::uint64_t, kOutcomeCount>& counters() const { return counters_; }

 private:
  DecodeConfig config_;
  std::array<std::uint64_t, kOutcomeCount> counters_{};
};

}  // namespace hoptap::decode
