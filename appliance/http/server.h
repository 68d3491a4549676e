// The HTTP server of the tracer: sockets, TLS, limits; what is answered is the router's. Owns its threads: one for
// sockets and quick answers, some for queries, so that a slow query holds up nobody who asks for health or metrics.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "appliance/http/router.h"
#include "base/result.h"

namespace hoptap::appliance {

/// PEM files; read again when they change, for new connections. A change that cannot be read is counted and the old
/// ones stay in use.
struct HttpTls {
  std::string certificate_file;  ///< with its chain; "": plain HTTP
  std::string key_file;
  std::string client_ca_file;  ///< "": clients need no certificate

  bool enabled() const { return !certificate_file.empty(); }
};

struct HttpServerConfig {
  std::string address = "127.0.0.1";  ///< an IP address; ports below 1024 need privileges
  std::uint16_t port = 8717;          ///< 0: the system chooses
  HttpTls tls;
  std::size_t query_threads = 2;  ///< no more than the store has readers
  std::size_t queries_waiting_max = 64;
  std::size_t connections_max = 256;
  std::size_t header_bytes_max = 16384;
  std::size_t body_bytes_max = 16384;  ///< nothing served wants one
  std::chrono::milliseconds read_timeout{
      10'000};  ///< for a whole request, TLS handshake included, whatever trickles in
  std::chrono::milliseconds idle_timeout{60'000};   ///< between requests of one connection
  std::chrono::milliseconds write_timeout{30'000};  ///< for a whole response
};

/// "127.0.0.1:8717" as the address and port to serve HTTP on. A failure says what is wrong with it.
[[nodiscard]] base::Outcome<void> set_http_listen(const std::string& text, HttpServerConfig& http);

/// Fails in words on an address or on TLS files that cannot be used as they are now. Does not listen.
[[nodiscard]] base::Outcome<void> check(const HttpServerConfig& config);

class HttpServer {
 public:
  /// Listens and serves when this returns. Fails in words: address in use, no such address, TLS files that do not fit.
  [[nodiscard]] static base::Outcome<std::unique_ptr<HttpServer>> start(const HttpServerConfig& config,
                                                                        HttpSources sources);
  /// Closes everything at once and waits for its threads.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  std::string url() const;  ///< "http://127.0.0.1:8717"

 private:
  struct Parts;
  explicit HttpServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hoptap::appliance
