// Why a tracer cannot be reached: connects once by hand and looks, because gRPC's own words say too little. Blocks for
// some seconds at most. Any thread. Private to transport.
#pragma once

#include <optional>
#include <string>

#include "export/transport/sender.h"

namespace hoptap::exporting {

/// What is wrong between here and the tracer, and what to do; empty when nothing is found.
std::string find_fault(const std::string& address, const std::optional<ClientTls>& tls);

}  // namespace hoptap::exporting
