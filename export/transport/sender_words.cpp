#include "export/transport/sender_words.h"

#include "export/transport/connection_doubt.h"

namespace hoptap::exporting {

std::string end_in_words(const SenderConfig& config, const grpc::Status& status, const std::string& reason,
                         bool welcomed) {
  const std::string tracer = "the tracer at " + config.address;
  const std::string& said = status.error_message();
  if (!reason.empty()) return tracer + " says: " + said;
  if (status.ok()) return tracer + " closed the stream; it is tried again";
  if (welcomed && status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return "the connection to " + tracer + " broke (" + said + "); it is tried again";
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED:
      return "what listens at " + config.address + " speaks gRPC but is no tracer of hoptap; correct the address";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return tracer + " refuses a message over its limits (" + said + "); lower the probe's batch size";
    default: break;
  }
  if (std::string fault = find_fault(config.address, config.tls); !fault.empty()) return fault;
  if (said.find("http1") != std::string::npos || said.find("HTTP") != std::string::npos ||
      said.find("http2") != std::string::npos) {
    return "what listens at " + config.address + " is no tracer of hoptap (" + said + "); correct the address";
  }
  return "no stream to " + tracer + " (" + said + "); it is tried again";
}

}  // namespace hoptap::exporting
