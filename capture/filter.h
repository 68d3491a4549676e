// Packet filters in tcpdump's language (pcap-filter(7)), compiled by libpcap. Used by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "base/result.h"
#include "capture/bpf_program.h"
#include "capture/packet.h"

namespace hoptap::capture {

class PacketFilter {
 public:
  /// Checks the expression ("tcp port 80") against Ethernet. Fails with libpcap's own words.
  [[nodiscard]] static base::Outcome<PacketFilter> compile(std::string expression);

  PacketFilter(PacketFilter&&) noexcept;
  PacketFilter& operator=(PacketFilter&&) noexcept;
  ~PacketFilter();

  /// Moves the packets that match to the front of the batch, in order, and returns how many they are.
  /// Needs an entry in `interfaces` for every interface_id. Packets of a link type for which the
  /// expression makes no sense do not match; see complaint().
  [[nodiscard]] std::size_t apply(std::span<Packet> batch, std::span<const Interface> interfaces);

  std::uint64_t filtered_packets() const { return filtered_packets_; }  ///< did not match, so far

  /// Why packets of some link type could not be matched; "" when all could.
  const std::string& complaint() const { return complaint_; }

 private:
  explicit PacketFilter(std::string expression);
  const bpf_program* program_for(LinkType link_type);

  std::string expression_;
  std::map<LinkType, BpfProgram> programs_;  ///< null: does not compile for this link type
  std::uint64_t filtered_packets_ = 0;
  std::string complaint_;
};

}  // namespace hoptap::capture
