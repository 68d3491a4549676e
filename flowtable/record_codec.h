// A compact binary form of HopRecord for hoptap's own memory and files (about 200 bytes), see base/archive.h. Not sent
// between hosts: see docs/formats/spill.md.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "flowtable/record.h"

namespace hoptap::flowtable {

/// Appends the record to `out`.
void encode(const HopRecord& record, std::vector<std::uint8_t>& out);

/// What orders records, readable without the rest.
struct RecordHead {
  std::uint32_t point = 0;
  std::uint64_t record_id = 0;
  std::uint8_t transport = 0;
  std::uint64_t start_ns = 0;  ///< of the request, else of the response
};

/// Of the record at the front of `bytes`; takes no memory.
[[nodiscard]] base::Result<RecordHead> decode_head(base::Bytes bytes);

/// Reads one record from the front of `bytes` and moves `bytes` behind it; an error leaves `bytes` anywhere.
[[nodiscard]] base::Result<HopRecord> decode_hop(base::Bytes& bytes);

}  // namespace hoptap::flowtable
