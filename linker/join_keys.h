// The keys under which two records of one request meet, whatever translated, tunnelled or re-cut its packets between.
#pragma once

#include <cstdint>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::linker {

/// Every key of a record, sorted, each once; none when nothing about it is distinctive. TCP: both sequence numbers;
/// one sequence number with the timestamp of each copy; both initial sequence numbers with one sequence number.
/// UDP: the protocol's id with its content hash, else the hashes of the payloads.
std::vector<std::uint64_t> join_keys(const flowtable::HopRecord& record);

/// False when two records that share a key cannot be of one request: heads or lengths that nothing explains differ.
bool compatible(const flowtable::HopRecord& left, const flowtable::HopRecord& right);

}  // namespace hoptap::linker
