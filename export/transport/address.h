// "host:port", as people write it and as the system's sockets take it. Any thread. Private to transport.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hoptap::exporting {

struct HostPort {
  std::string host;  ///< without brackets
  std::string port;
};

/// "host:port" or "[v6]:port"; fails in words.
base::Outcome<HostPort> split_address(const std::string& address);

/// Binds and lets go again, to learn why it would fail.
base::Outcome<void> try_listen(const std::string& address);

/// A connected TCP socket, or in words why not. Waits at most `timeout_ms` for the other side.
base::Outcome<int> connect_to(const HostPort& address, int timeout_ms);

}  // namespace hoptap::exporting
