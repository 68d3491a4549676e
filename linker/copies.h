// Where on a path copies of a message were lost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::linker {

/// For messages of one request as seen along the way they travel (sender's side first), the number of packets lost
/// between each and the next: copies told apart by TSval or IP-ID, that were seen at one point and at none beyond it.
/// Retransmissions of the rest of the message count where one point saw them as repeats and the next as news. The
/// result has one entry less than `along`. A copy that a capture in the middle missed is not counted.
std::vector<std::uint32_t> copies_lost(std::span<const flowtable::MessageRecord* const> along);

}  // namespace hoptap::linker
