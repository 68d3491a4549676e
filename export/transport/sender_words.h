// What went wrong between probe and tracer, in a sentence with what to do about it. Private to transport.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "export/transport/sender.h"

namespace hoptap::exporting {

/// How a stream ended, as words. `reason` is the tracer's own, empty when the end is not of its making; `welcomed`
/// whether it had begun. May connect once to find out more.
std::string end_in_words(const SenderConfig& config, const grpc::Status& status, const std::string& reason,
                         bool welcomed);

}  // namespace hoptap::exporting
