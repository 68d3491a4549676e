// The hop records of one request, joined but not yet ordered, and small questions asked of records.
#pragma once

#include <cstdint>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::linker {

inline constexpr std::uint8_t kTcp = 6;  ///< HopRecord::transport

/// All sightings of one request. The joiner gives them by (point, record id); their order says nothing of the path.
struct Group {
  std::vector<flowtable::HopRecord> records;
};

/// When the record's exchange was first seen, ns of its point's clock: the request, else the response.
inline std::uint64_t start_ns(const flowtable::HopRecord& record) {
  return record.request.seen() ? record.request.first_ns : record.response.first_ns;
}

/// When the record's exchange was last seen, ns of its point's clock.
inline std::uint64_t end_ns(const flowtable::HopRecord& record) {
  return record.response.seen() ? record.response.last_ns : record.request.last_ns;
}

/// True when both messages were seen to their end, the response not before the request, so that times can be taken
/// from the record.
inline bool complete(const flowtable::HopRecord& record) {
  constexpr std::uint32_t kOpenEnded = flowtable::record_flag::kIncomplete | flowtable::record_flag::kRequestEndUnseen |
                                       flowtable::record_flag::kResponseEndUnseen;
  return record.request.seen() && record.response.seen() && record.response.first_ns >= record.request.first_ns &&
         (record.flags & kOpenEnded) == 0;
}

/// later - earlier of two times of one clock, ns; captures give none after 2^62.
inline std::int64_t difference_ns(std::uint64_t later, std::uint64_t earlier) {
  return static_cast<std::int64_t>(later - earlier);
}

}  // namespace hoptap::linker
