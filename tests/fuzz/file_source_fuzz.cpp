// Any bytes as a capture file: opens, reads to the end, and never hands out what is not there.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "capture/open_input.h"

namespace {

using namespace hoptap;

/// The same bytes as a stream that comes in small pieces.
class PieceInput final : public capture::StreamInput {
 public:
  explicit PieceInput(base::Bytes bytes) : rest_(bytes) {}
  capture::SourceProgress progress() const override { return {}; }

 protected:
  std::size_t produce(std::span<std::uint8_t> room) override {
    constexpr std::size_t kPieceBytes = 61;
    const std::size_t count = std::min({kPieceBytes, room.size(), rest_.size()});
    std::copy_n(rest_.begin(), count, room.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  base::Bytes rest_;
};

struct Read {
  std::uint64_t packets = 0;
  std::uint64_t sum = 0;

  bool operator==(const Read&) const = default;
};

Read read_all(base::Outcome<std::unique_ptr<capture::Source>> source) {
  Read read;
  if (!source) return read;
  std::array<capture::Packet, capture::kBatchPackets> batch;
  while (const std::size_t count = (*source)->poll(batch)) {
    for (const capture::Packet& packet : std::span(batch).first(count)) {
      if (packet.interface_id >= (*source)->interfaces().size()) std::abort();
      if (packet.wire_bytes < packet.bytes.size()) std::abort();
      for (const std::uint8_t byte : packet.bytes) read.sum = read.sum * 31 + byte;
      read.sum += packet.time_ns;
    }
    read.packets += count;
  }
  if ((*source)->counters().packets != read.packets) std::abort();
  (void)(*source)->complaint();
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes file(data, size);
  const Read whole = read_all(capture::open_bytes(file));
  const Read pieces = read_all(capture::open_input(std::make_unique<PieceInput>(file)));
  if (whole != pieces) std::abort();
  return 0;
}
