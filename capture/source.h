// A place packets come from. Every source (file, ring, port) is one of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "capture/packet.h"

namespace hoptap::capture {

inline constexpr std::size_t kBatchPackets = 64;  ///< the most that one poll() gives

/// What a source saw and could not give. Monotonic.
struct SourceCounters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;               ///< captured bytes handed out
  std::uint64_t cut_records = 0;         ///< last record of a file cut off in the middle
  std::uint64_t bad_records = 0;         ///< records or blocks that contradict the format; skipped
  std::uint64_t unknown_blocks = 0;      ///< pcapng blocks of a type we do not know; skipped
  std::uint64_t dropped_by_capture = 0;  ///< what the file itself says was lost (pcapng statistics)
};

/// How far a source of known size has come, for progress.
struct SourceProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< 0: not known (a pipe)
};

/// One receive queue, used by one thread. Packets stay valid until the next poll().
class Source {
 public:
  virtual ~Source() = default;
  /// Fills the batch from the front; 0 means that nothing is there now (a file: that it has ended).
  virtual std::size_t poll(std::span<Packet> batch) = 0;
  /// May grow while polling (pcapng); indices stay.
  virtual std::span<const Interface> interfaces() const = 0;
  virtual SourceCounters counters() const = 0;
  virtual SourceProgress progress() const = 0;
  /// A sentence on what was wrong with the input so far ("" when nothing was), for the person.
  virtual std::string complaint() const = 0;
};

}  // namespace hoptap::capture
