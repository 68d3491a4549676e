// Certificates and keys in PEM files: read, and looked at before gRPC gets them, whose own words say little. Any
// thread. Private to transport.
#pragma once

#include <string>

#include "base/result.h"

namespace hoptap::exporting {

/// The file's text; fails in words, with `what` it is for: "the tracer's certificate".
base::Outcome<std::string> read_pem(const std::string& file, const std::string& what);

/// Fails in words when one cannot be read, is no PEM, or the key is not of the certificate.
base::Outcome<void> check_pair(const std::string& certificate_file, const std::string& key_file);

/// Fails in words when it cannot be read or holds no certificate.
base::Outcome<void> check_authorities(const std::string& file);

/// gRPC prints what it meets to standard error; we say it ourselves. GRPC_VERBOSITY in the environment brings it back.
void quiet_grpc();

}  // namespace hoptap::exporting
