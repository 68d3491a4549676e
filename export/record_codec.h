// A compact binary form of HopRecord for hoptap's own temporary files: LEB128 numbers, times as differences. Not sent
// between hosts and not kept: see docs/formats/spill.md.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// Appends the record to `out`.
void encode(const flowtable::HopRecord& record, std::vector<std::uint8_t>& out);

/// Reads one record from the front of `bytes` and moves `bytes` behind it; an error leaves `bytes` anywhere.
[[nodiscard]] base::Result<flowtable::HopRecord> decode_hop(base::Bytes& bytes);

/// LEB128, least significant group first.
void put_number(std::uint64_t value, std::vector<std::uint8_t>& out);
[[nodiscard]] base::Result<std::uint64_t> take_number(base::Bytes& bytes);

}  // namespace hoptap::exporting
