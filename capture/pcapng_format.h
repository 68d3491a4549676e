// The pcapng format (draft-ietf-opsawg-pcapng): sections of either byte order, any number of
// interfaces. Private to capture/.
#pragma once

#include <vector>

#include "base/result.h"
#include "capture/byte_order.h"
#include "capture/clock.h"
#include "capture/format.h"

namespace hoptap::capture {

class PcapngFormat {
 public:
  /// The fixed part of the section header block, with which every file begins.
  static constexpr std::size_t kFileHeaderBytes = 24;

  /// True when a file that begins so is a pcapng file; needs 4 bytes.
  static bool recognises(base::Bytes first);

  /// Checks the first section header; needs kFileHeaderBytes and recognises(first). Its block is
  /// read again by next().
  [[nodiscard]] static base::Outcome<PcapngFormat> open(base::Bytes first);

  RecordStep next(base::Bytes window, Packet& packet);
  const FormatState& state() const { return state_; }

 private:
  /// What the file tells of an interface and only this reader needs.
  struct InterfaceFacts {
    InterfaceClock clock;
    std::uint64_t dropped_packets = 0;
  };
  struct PacketHeader {
    std::uint32_t interface_in_section;
    std::uint64_t time_units;
    std::uint32_t captured_bytes;
    std::uint32_t wire_bytes;
  };

  PcapngFormat() = default;

  RecordStep section_header(base::Bytes window);
  RecordStep known_block(std::uint32_t type, std::size_t block_bytes, base::Bytes body, Packet& packet);
  RecordStep packet_block(const PacketHeader& header, base::Bytes data, std::size_t block_bytes, Packet& packet);
  RecordStep simple_packet(base::Bytes body, std::size_t block_bytes, Packet& packet);
  bool interface_description(base::Bytes body);
  bool interface_statistics(base::Bytes body);
  RecordStep bad_block(std::size_t block_bytes);
  RecordStep end(std::string why);

  template <class Visit>
  void for_each_option(base::Bytes options, Visit visit) const;

  ByteOrder order_;
  std::size_t section_base_ = 0;  ///< id of this section's interface 0
  std::uint64_t last_time_ns_ = 0;
  std::vector<InterfaceFacts> facts_;  ///< beside state_.interfaces
  FormatState state_;
};

}  // namespace hoptap::capture
