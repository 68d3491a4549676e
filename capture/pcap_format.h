// The pcap format (draft-ietf-opsawg-pcap), all byte orders and time units. Private to capture/.
#pragma once

#include "base/result.h"
#include "capture/byte_order.h"
#include "capture/format.h"

namespace hoptap::capture {

class PcapFormat {
 public:
  static constexpr std::size_t kFileHeaderBytes = 24;

  /// True when a file that begins so is a pcap file; needs 4 bytes.
  static bool recognises(base::Bytes first);

  /// Reads the file header; needs kFileHeaderBytes and recognises(first).
  [[nodiscard]] static base::Outcome<PcapFormat> open(base::Bytes first);

  /// Whole records of the usual kind at the front of the window that another may follow: fills the batch from the
  /// front, stops at whatever next() has to look at.
  struct Run {
    std::size_t packets = 0;
    std::size_t bytes = 0;  ///< to move on by
  };
  Run take_run(base::Bytes window, std::span<Packet> batch) const;
  std::size_t header_bytes() const { return header_bytes_; }

  RecordStep next(base::Bytes window, Packet& packet);
  const FormatState& state() const { return state_; }

 private:
  PcapFormat() = default;

  ByteOrder order_;
  std::size_t header_bytes_ = 0;       ///< of a record
  std::uint32_t ns_per_fraction_ = 0;  ///< of the second half of a record's time
  bool lengths_may_be_swapped_ = false;
  FormatState state_;
};

}  // namespace hoptap::capture
