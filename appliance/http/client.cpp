#include "appliance/http/client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <limits>
#include <optional>

namespace hoptap::appliance {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using beast::error_code;

constexpr std::uint16_t kPort = 8717;
constexpr std::chrono::seconds kConnectTimeout{10};

std::string url_text(const HttpUrl& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", url.tls ? "https" : "http", v6 ? "[" + url.host + "]" : url.host, url.port);
}

}  // namespace

base::Outcome<HttpUrl> read_url(const std::string& text) {
  const auto refused = tl::unexpected(base::Failure{
      fmt::format("\"{}\" is no address of a tracer; write http://HOST:PORT or https://HOST:PORT", text)});
  HttpUrl url;
  std::string_view rest(text);
  if (rest.substr(0, 7) == "http://") {
    rest.remove_prefix(7);
  } else if (rest.substr(0, 8) == "https://") {
    url.tls = true;
    rest.remove_prefix(8);
  } else {
    return refused;
  }
  const std::string_view authority = rest.substr(0, rest.find('/'));
  url.base = rest.substr(authority.size());
  while (!url.base.empty() && url.base.back() == '/') url.base.pop_back();
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = authority.substr(0, colon);
  if (url.host.size() > 2 && url.host.front() == '[' && url.host.back() == ']') {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  url.port = kPort;
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || url.port == 0) return refused;
  }
  if (url.host.empty() || url.host.find_first_of(" @?#[]\\") != std::string::npos) return refused;
  return url;
}

struct HttpClient::Parts {
  /// Runs one asynchronous step to its end.
  template <class Start>
  error_code run(Start start) {
    error_code result = asio::error::would_block;
    start([&result](error_code error, auto&&...) { result = error; });
    io.restart();
    io.run();
    return result;
  }

  tl::unexpected<base::Failure> unreachable(const std::string& why) const {
    return tl::unexpected(base::Failure{
        fmt::format("no tracer answers at {}: {}; start it with hoptap tracer, or give its address with --tracer URL",
                    url_text(url), why)});
  }

  base::Outcome<tcp::resolver::results_type> resolve();
  base::Outcome<void> shake_hands(beast::ssl_stream<beast::tcp_stream>& stream);
  template <class Stream>
  base::Outcome<HttpReply> exchange(Stream& stream, const std::string& target, const std::string& accept);

  HttpUrl url;
  std::string ca_file;
  std::chrono::seconds timeout;
  asio::io_context io;
};

base::Outcome<tcp::resolver::results_type> HttpClient::Parts::resolve() {
  tcp::resolver resolver(io);
  error_code error;
  auto found = resolver.resolve(url.host, std::to_string(url.port), error);
  if (error) return unreachable(error.message());
  return found;
}

base::Outcome<void> HttpClient::Parts::shake_hands(beast::ssl_stream<beast::tcp_stream>& stream) {
  SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  beast::get_lowest_layer(stream).expires_after(kConnectTimeout);
  const error_code error = run([&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
  if (!error) return {};
  if (SSL_get_verify_result(stream.native_handle()) != X509_V_OK) {
    return tl::unexpected(base::Failure{
        fmt::format("the certificate of {} is not trusted ({}); give the CA that made it with --ca FILE, and the name "
                    "that is in it",
                    url_text(url), X509_verify_cert_error_string(SSL_get_verify_result(stream.native_handle())))});
  }
  return tl::unexpected(base::Failure{fmt::format(
      "{} does not speak TLS as it should: {}; write http:// if it has none", url_text(url), error.message())});
}

template <class Stream>
base::Outcome<HttpReply> HttpClient::Parts::exchange(Stream& stream, const std::string& target,
                                                     const std::string& accept) {
  http::request<http::empty_body> request(http::verb::get, url.base + target, 11);
  request.set(http::field::host, url.host);
  request.set(http::field::accept, accept);
  request.set(http::field::user_agent, "hoptap");
  request.keep_alive(false);
  beast::get_lowest_layer(stream).expires_after(timeout);
  error_code error = run([&](auto done) { http::async_write(stream, request, done); });
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyBytesMax);
  if (!error) error = run([&](auto done) { http::async_read(stream, buffer, parser, done); });
  if (error) {
    return unreachable(error == beast::error::timeout ? "it took too long; ask for less" : error.message());
  }
  http::response<http::string_body> response = parser.release();
  return HttpReply{response.result_int(), std::move(response.body()), std::string(response["Hoptap-Next"])};
}

HttpClient::HttpClient(HttpUrl url, std::string ca_file, std::chrono::seconds timeout)
    : parts_(new Parts{std::move(url), std::move(ca_file), timeout, {}}) {}
HttpClient::~HttpClient() = default;

base::Outcome<HttpReply> HttpClient::get(const std::string& target, const std::string& accept) {
  auto found = parts_->resolve();
  if (!found) return tl::unexpected(found.error());
  beast::tcp_stream plain(parts_->io);
  plain.expires_after(kConnectTimeout);
  const error_code error = parts_->run([&](auto done) { plain.async_connect(*found, done); });
  if (error) return parts_->unreachable(error.message());
  if (!parts_->url.tls) return parts_->exchange(plain, target, accept);
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code failed;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_default_verify_paths(failed);
  if (!parts_->ca_file.empty()) context.load_verify_file(parts_->ca_file, failed);
  if (failed && !parts_->ca_file.empty()) {
    return tl::unexpected(base::Failure{
        fmt::format("cannot use --ca {}: {}; give a PEM file of certificates", parts_->ca_file, failed.message())});
  }
  context.set_verify_mode(asio::ssl::verify_peer, failed);
  beast::ssl_stream<beast::tcp_stream> secure(std::move(plain), context);
  if (auto shaken = parts_->shake_hands(secure); !shaken) return tl::unexpected(shaken.error());
  return parts_->exchange(secure, target, accept);
}

}  // namespace hoptap::appliance
