// An observation point: notes what really passes, and writes what its mirror and clock make of it. Private to the
// forge; one thread. Owns its capture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "appliance/forge/element.h"
#include "appliance/forge/frame.h"
#include "appliance/forge/pcap_writer.h"

namespace hoptap::forge {

class Point : public Element {
 public:
  /// `index` is its place among all points; the capture goes to `path`.
  Point(std::uint32_t number, std::uint32_t index, PointPlan plan, const std::string& path, std::uint64_t seed);

  void open() { writer_.open(); }  ///< before anything passes; throws as PcapWriter does

  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  /// Writes what is still held back. Throws std::system_error when the file cannot be written.
  void close();

  const PointPlan& plan() const { return plan_; }
  std::uint32_t index() const { return index_; }
  std::uint64_t records() const { return writer_.records(); }

 private:
  /// A record that a mirror gives out later than its turn.
  struct Late {
    Time due;     ///< a second copy comes at this time; kAfterOthers: after some other records
    int records;  ///< ... so many
    Time stamp;
    std::vector<std::uint8_t> bytes;
    std::size_t wire_bytes;
  };
  static constexpr Time kAfterOthers = INT64_MAX;

  bool sees(Toward toward) const;
  void note(const Packet& packet, Time now, std::size_t captured_payload, bool captured) const;
  std::size_t capture(const Packet& packet, Time now);
  void write(Time stamp, base::Bytes bytes, std::size_t wire_bytes);
  void write_late(Time now);

  PointPlan plan_;
  std::uint32_t index_;
  PcapWriter writer_;
  FrameMaker frames_;
  Random random_;
  std::vector<Late> late_;
};

}  // namespace hoptap::forge
