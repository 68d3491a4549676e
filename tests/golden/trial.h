// Runs one capture through the engine, whole or changed, and collects the records. For tests only.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "decode/decoder.h"
#include "flowtable/config.h"
#include "flowtable/record.h"

namespace hoptap::tests {

/// The packets of a capture, decoded, with bytes of their own.
class Capture {
 public:
  /// Reads a file through open_file(); throws std::runtime_error with its complaint.
  explicit Capture(const std::string& path);

  const std::vector<decode::Decoded>& packets() const { return packets_; }

 private:
  std::vector<std::vector<std::uint8_t>> bytes_;
  decode::Decoder decoder_;  ///< packets_ may borrow from it, too
  std::vector<decode::Decoded> packets_;
};

struct Records {
  std::vector<flowtable::HopRecord> hops;  ///< by time of the request's, else the response's first byte
  std::vector<flowtable::LegRecord> legs;
};

/// @param batch_packets  how many packets the flow table gets at a time
Records run(const std::vector<decode::Decoded>& packets, std::size_t batch_packets = 256);

/// Every TCP segment cut into pieces of these lengths, in order, as a sender with a smaller MSS would.
std::vector<decode::Decoded> cut(const std::vector<decode::Decoded>& packets,
                                 const std::function<std::size_t()>& next_bytes);

/// Of the payload of every TCP segment the first bytes only, as a capture with a snap length has it.
std::vector<decode::Decoded> beginnings(const std::vector<decode::Decoded>& packets, std::size_t kept_bytes);

/// A golden file's text: one line a record, in time order.
std::string golden_text(const Records& records, bool with_legs);

/// Clears what depends on packet boundaries and not on the stream: retransmission counts and the like.
void forget_boundaries(flowtable::HopRecord& record);

}  // namespace hoptap::tests
