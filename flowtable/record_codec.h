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

/// Reads one record from the front of `bytes` and moves `bytes` behind it; an error leaves `bytes` anywhere.
[[nodiscard]] base::Result<HopRecord> decode_hop(base::Bytes& bytes);

}  // namespace hoptap::flowtable
