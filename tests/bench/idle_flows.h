// What a live connection takes in the flow table.
#pragma once

#include <cstddef>

namespace hoptap::bench {

/// Opens so many connections in one table and prints, as a line of JSON, bytes of resident memory for each.
/// @param with_exchange  one HTTP exchange on each, else the handshake alone
int measure_idle(std::size_t flows, bool with_exchange);

}  // namespace hoptap::bench
