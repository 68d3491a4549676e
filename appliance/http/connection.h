// One connection of an HTTP client, plain or TLS, and what all connections share. Private to appliance/http/.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "appliance/http/server.h"

namespace hoptap::appliance {

/// Figures of the server; any thread.
struct HttpCounters {
  std::array<std::atomic<std::uint64_t>, 6> answers{};  ///< by hundreds of the status
  std::atomic<std::uint64_t> connections{0};            ///< open now
  std::atomic<std::uint64_t> refused{0};                ///< connections beyond the limit
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint64_t> handshakes_failed{0};
  std::atomic<std::uint64_t> queries_waiting{0};  ///< or running
  std::atomic<std::uint64_t> queries_refused{0};
  std::atomic<std::uint64_t> tls_loads_failed{0};

  std::vector<Metric> metrics() const;
};

/// Outlives all connections.
struct HttpShared {
  HttpShared(const HttpServerConfig& chosen, HttpSources sources);

  HttpServerConfig config;
  HttpCounters counters;
  Router router;
  boost::asio::thread_pool queries;
  std::atomic<bool> stopping{false};  ///< queries that have not begun are let go
};

/// Serves the socket until it is closed; returns at once. `tls` may be null: plain. Called by the thread of the
/// sockets.
void serve(boost::asio::ip::tcp::socket socket, HttpShared& shared, std::shared_ptr<boost::asio::ssl::context> tls);

}  // namespace hoptap::appliance
