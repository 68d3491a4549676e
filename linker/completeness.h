// How much of the traffic each point's capture holds: what a receiver acknowledged and the capture never showed was
// missed by the capture, not lost by the network. Feed every leg, then ask. One thread while feeding; then many.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "flowtable/record.h"

namespace hoptap::linker {

/// Which way a message goes.
enum class Way : std::uint8_t { kToServer, kToClient };

/// What one direction of a leg says of its capture.
struct Captured {
  std::uint64_t acknowledged_bytes = 0;
  std::uint64_t unseen_bytes = 0;  ///< of these
};
Captured captured(const flowtable::LegRecord::Direction& direction);

class Completeness {
 public:
  void add(const flowtable::LegRecord& leg);
  void add(std::uint32_t point, Way way, const Captured& leg);

  /// The chance that a packet going this way past the point is in its capture, never quite 0 or 1: with few bytes
  /// seen it stays near what captures usually hold.
  double of(std::uint32_t point, Way way) const;

  /// Share of the acknowledged bytes going this way that the point's capture shows; nothing when none were.
  std::optional<double> share(std::uint32_t point, Way way) const;

 private:
  Captured bytes_of(std::uint32_t point, Way way) const;

  std::map<std::uint32_t, std::array<Captured, 2>> points_;
};

}  // namespace hoptap::linker
