#include "appliance/http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <thread>

#include "appliance/http/connection.h"
#include "appliance/http/tls.h"

namespace hoptap::appliance {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptPause{50};  // when the process has no file descriptors left

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 48\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\ntoo many connections; close some, or try again.\n";
static_assert(kFull.size() - kFull.find("\r\n\r\n") - 4 == 48);

}  // namespace

base::Outcome<void> set_http_listen(const std::string& text, HttpServerConfig& http) {
  const std::size_t colon = text.rfind(':');
  const std::string_view digits = std::string_view(text).substr(colon == std::string::npos ? text.size() : colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (colon == 0 || digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return tl::unexpected(base::Failure{fmt::format("'{}' is not ADDRESS:PORT, such as 127.0.0.1:8717", text)});
  http.address = text.substr(0, colon);
  if (http.address.front() == '[' && http.address.back() == ']') http.address = http.address.substr(1, colon - 2);
  http.port = port;
  return {};
}

namespace {

base::Outcome<asio::ip::address> address_of(const HttpServerConfig& config) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(config.address, error);
  if (!error) return address;
  return tl::unexpected(base::Failure{fmt::format(
      "{} is no IP address; write 127.0.0.1, 0.0.0.0 for all, or [the address of one interface]", config.address)});
}

}  // namespace

base::Outcome<void> check(const HttpServerConfig& config) {
  if (const auto address = address_of(config); !address) return tl::unexpected(address.error());
  return config.tls.enabled() ? TlsFiles(config.tls).load() : base::Outcome<void>();
}

HttpShared::HttpShared(const HttpServerConfig& chosen, HttpSources sources)
    : config(chosen),
      router([&] {
        sources.metrics = [this, others = std::move(sources.metrics)] {
          std::vector<Metric> all = counters.metrics();
          if (others) {
            for (Metric& metric : others()) all.push_back(std::move(metric));
          }
          return all;
        };
        return Router(std::move(sources));
      }()),
      queries(std::max<std::size_t>(chosen.query_threads, 1)) {}

struct HttpServer::Parts {
  Parts(const HttpServerConfig& config, HttpSources sources) : shared(config, std::move(sources)), tls(config.tls) {}

  [[nodiscard]] base::Outcome<void> listen();
  void accept();
  void take(tcp::socket socket);

  HttpShared shared;
  TlsFiles tls;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  tcp::endpoint bound;
  std::thread thread;
};

base::Outcome<void> HttpServer::Parts::listen() {
  const HttpServerConfig& config = shared.config;
  error_code error;
  const auto address = address_of(config);
  if (!address) return tl::unexpected(address.error());
  if (config.tls.enabled()) {
    if (auto loaded = tls.load(); !loaded) return loaded;
  }
  const tcp::endpoint wanted(*address, config.port);
  acceptor.open(wanted.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(wanted, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) bound = acceptor.local_endpoint(error);
  if (!error) return {};
  const char* fix = error == asio::error::address_in_use  ? "stop what listens there, or choose another port"
                    : error == asio::error::access_denied ? "choose a port of 1024 or more"
                                                          : "choose an address of this host";
  return tl::unexpected(
      base::Failure{fmt::format("cannot listen on {}:{}: {}; {}", config.address, config.port, error.message(), fix)});
}

void HttpServer::Parts::accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      take(std::move(socket));
      return accept();
    }
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](error_code stopped) {
      if (!stopped) accept();
    });
  });
}

void HttpServer::Parts::take(tcp::socket socket) {
  error_code ignored;
  if (shared.counters.connections >= shared.config.connections_max) {
    ++shared.counters.refused;
    socket.non_blocking(true, ignored);
    if (!shared.config.tls.enabled()) socket.write_some(asio::buffer(kFull), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    return;
  }
  socket.set_option(tcp::no_delay(true), ignored);
  const auto context = shared.config.tls.enabled() ? tls.current() : nullptr;
  shared.counters.tls_loads_failed = tls.failed_loads();
  serve(std::move(socket), shared, context);
}

HttpServer::HttpServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

base::Outcome<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerConfig& config, HttpSources sources) {
  auto parts = std::make_unique<Parts>(config, std::move(sources));
  if (const auto listening = parts->listen(); !listening) return tl::unexpected(listening.error());
  parts->accept();
  parts->thread = std::thread([&io = parts->io] { io.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(parts)));
}

HttpServer::~HttpServer() {
  parts_->shared.stopping = true;
  parts_->io.stop();
  parts_->thread.join();
  parts_->shared.queries.join();
}

std::uint16_t HttpServer::port() const { return parts_->bound.port(); }

std::string HttpServer::url() const {
  const std::string address = parts_->bound.address().to_string();
  return fmt::format("{}://{}:{}", parts_->shared.config.tls.enabled() ? "https" : "http",
                     parts_->bound.address().is_v6() ? "[" + address + "]" : address, port());
}

}  // namespace hoptap::appliance
