// What the readers of capture file formats have in common: pure steps over a window of bytes.
// Private to capture/.
//
// A format is a class with
//   RecordStep next(base::Bytes window, Packet& packet);   // reads one record at the front of window
//   const FormatState& state() const;
// The step tells how far to move on; the packet of a kPacket step borrows from the window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "capture/packet.h"
#include "capture/source.h"

namespace hoptap::capture {

/// Longest record or packet block that is believed; more means that the file is damaged.
inline constexpr std::size_t kRecordBytesMax = 16u << 20;

struct RecordStep {
  enum class Kind : std::uint8_t {
    kPacket,    ///< `packet` was filled; move on by `bytes`
    kSkip,      ///< no packet here; move on by `bytes`, which may be past the window
    kNeedMore,  ///< call again with a window of at least `bytes`
    kEnd,       ///< nothing after this can be read, state().end_reason says why
  };
  Kind kind;
  std::size_t bytes = 0;
};

struct FormatState {
  std::vector<Interface> interfaces;
  SourceCounters counters;  ///< those that only the format can know
  std::string end_reason;   ///< after kEnd; the reader adds the offset
  std::uint64_t timeless_packets = 0;
};

/// LINKTYPE_ of a link type found in a file: some writers put their system's DLT_ number there.
constexpr LinkType normalised_link_type(std::uint16_t in_file) {
  constexpr LinkType kRaw = 101;
  switch (in_file) {
    case 12:  // DLT_RAW of most systems
    case 14:  // DLT_RAW of OpenBSD
      return kRaw;
    default: return in_file;
  }
}

}  // namespace hoptap::capture
