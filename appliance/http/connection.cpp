#include "appliance/http/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>
#include <optional>
#include <utility>

namespace hoptap::appliance {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::size_t kReadBytes = 4096;

/// Speaks HTTP/1.1 over a stream, one request after the other. Keeps itself alive while something is under way; all of
/// its handlers run on the thread of the sockets, except the router's work on a query.
template <class Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <class... Arguments>
  explicit Connection(HttpShared& shared, std::shared_ptr<asio::ssl::context> tls, Arguments&&... arguments)
      : shared_(shared), tls_(std::move(tls)), stream_(std::forward<Arguments>(arguments)...) {
    ++shared_.counters.connections;
  }
  ~Connection() { --shared_.counters.connections; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() {
    lowest().expires_after(shared_.config.read_timeout);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](error_code error) {
        if (!error) return self->wait();
        ++self->shared_.counters.handshakes_failed;
        self->note_timeout(error);
        if (ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST)
          self->say_that_tls_is_needed();
      });
    } else {
      wait();
    }
  }

 private:
  PlainStream& lowest() { return beast::get_lowest_layer(stream_); }

  void note_timeout(error_code error) {
    if (error == beast::error::timeout) ++shared_.counters.timeouts;
  }

  /// For the first bytes of the next request; the time for the whole of it begins with them.
  void wait() {
    if (buffer_.size() > 0) return read();
    lowest().expires_after(served_ == 0 ? shared_.config.read_timeout : shared_.config.idle_timeout);
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = this->shared_from_this()](error_code error, std::size_t bytes) {
                              self->note_timeout(error);
                              if (error) return self->close();
                              self->buffer_.commit(bytes);
                              self->read();
                            });
  }

  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.config.header_bytes_max));
    parser_->body_limit(shared_.config.body_bytes_max);
    lowest().expires_after(shared_.config.read_timeout);
    http::async_read(stream_, buffer_, *parser_, [self = this->shared_from_this()](error_code error, std::size_t) {
      self->note_timeout(error);
      if (error) return self->refuse(error);
      self->take();
    });
  }

  /// A request that is none, or too large, is answered before the connection is closed.
  void refuse(error_code error) {
    keep_ = false;
    if (error == http::error::header_limit) {
      write(error_response(431, "header_too_large", "the request's header is too large; send fewer or shorter fields"));
    } else if (error == http::error::body_limit) {
      write(error_response(413, "body_too_large", "the request's body is too large; nothing here wants one"));
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      write(error_response(400, "bad_request", "this is no HTTP/1 request: " + error.message()));
    } else {
      close();
    }
  }

  void take() {
    const http::request<http::string_body>& message = parser_->get();
    keep_ = message.keep_alive();
    head_ = message.method() == http::verb::head;
    HttpRequest request{std::string(message.method_string()), std::string(message.target()),
                        std::string(message[http::field::accept])};
    lowest().expires_never();  // the answer takes as long as it takes; the store bounds it
    if (Router::is_quick(request)) return write(answer(request));
    if (shared_.counters.queries_waiting.fetch_add(1) >= shared_.config.queries_waiting_max) {
      --shared_.counters.queries_waiting;
      ++shared_.counters.queries_refused;
      HttpResponse busy = error_response(503, "busy", "too many queries wait already; ask again in a second");
      busy.headers.emplace_back("Retry-After", "1");
      return write(std::move(busy));
    }
    asio::post(shared_.queries, [self = this->shared_from_this(), request = std::move(request)]() mutable {
      if (self->shared_.stopping) return;
      HttpResponse response = self->answer(request);
      --self->shared_.counters.queries_waiting;
      const auto executor = self->stream_.get_executor();
      asio::post(executor, [self = std::move(self), response = std::move(response)]() mutable {
        self->write(std::move(response));
      });
    });
  }

  /// Memory may run out, and what the tracer gave the router may throw; neither is to end the server.
  HttpResponse answer(const HttpRequest& request) const {
    try {
      return shared_.router.handle(request);
    } catch (const std::exception& error) {
      return error_response(500, "internal", std::string("the answer could not be made: ") + error.what());
    }
  }

  void write(HttpResponse&& response) {
    ++shared_.counters.answers[std::min<std::size_t>(response.status / 100, 5)];
    ++served_;
    response_ = {};
    response_.version(11);
    response_.result(response.status);
    response_.set(http::field::content_type, response.content_type);
    response_.set(http::field::server, "hoptap");
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) response_.set(name, value);
    response_.keep_alive(keep_);
    response_.content_length(response.body.size());
    if (!head_) response_.body() = std::move(response.body);
    serializer_.emplace(response_);
    serializer_->split(head_);  // a HEAD has the length of what it leaves out
    lowest().expires_after(shared_.config.write_timeout);
    const auto written = [self = this->shared_from_this()](error_code error, std::size_t) {
      self->note_timeout(error);
      if (error || !self->keep_) return self->close();
      self->wait();
    };
    if (head_) return http::async_write_header(stream_, *serializer_, written);
    http::async_write(stream_, *serializer_, written);
  }

  /// Lets the client read the last answer: what it still sends is read and thrown away for a moment.
  void close() {
    error_code ignored;
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      if (served_ == 0) return;  // the stream is closed with its last reference
      lowest().expires_after(std::chrono::seconds(2));
      stream_.async_shutdown([self = this->shared_from_this()](error_code) {});
    } else {
      lowest().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
      if (ignored || served_ == 0) return;
      lowest().expires_after(std::chrono::seconds(2));
      drain();
    }
  }

  void drain() {
    buffer_.clear();
    lowest().async_read_some(buffer_.prepare(kReadBytes),
                             [self = this->shared_from_this()](error_code error, std::size_t) {
                               if (!error) self->drain();
                             });
  }

  void say_that_tls_is_needed() {
    static constexpr std::string_view kWords =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 52\r\nConnection: close\r\n\r\n"
        "this server speaks TLS only; write https:// instead\n";
    static_assert(kWords.size() - kWords.find("\r\n\r\n") - 4 == 52);
    error_code ignored;
    lowest().socket().non_blocking(true, ignored);
    lowest().socket().write_some(asio::buffer(kWords), ignored);
    lowest().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }

  HttpShared& shared_;
  std::shared_ptr<asio::ssl::context> tls_;  // kept while the stream lives
  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::uint64_t served_ = 0;
  bool keep_ = false;
  bool head_ = false;
};

}  // namespace

std::vector<Metric> HttpCounters::metrics() const {
  constexpr auto kCounter = Metric::Type::kCounter;
  std::vector<Metric> all;
  for (std::size_t hundreds = 1; hundreds < answers.size(); ++hundreds) {
    all.push_back({"hoptap_http_responses_total",
                   "Responses by class of status.",
                   kCounter,
                   static_cast<double>(answers[hundreds]),
                   {{"class", std::to_string(hundreds) + "xx"}}});
  }
  const auto add = [&](const char* name, const char* help, Metric::Type type, std::uint64_t value) {
    all.push_back({name, help, type, static_cast<double>(value), {}});
  };
  add("hoptap_http_connections", "Connections open.", Metric::Type::kGauge, connections);
  add("hoptap_http_connections_refused_total", "Connections beyond the limit.", kCounter, refused);
  add("hoptap_http_timeouts_total", "Connections closed because they were too slow or idle.", kCounter, timeouts);
  add("hoptap_http_handshakes_failed_total", "TLS handshakes that failed.", kCounter, handshakes_failed);
  add("hoptap_http_queries_waiting", "Queries waiting or running.", Metric::Type::kGauge, queries_waiting);
  add("hoptap_http_queries_refused_total", "Queries refused because too many waited.", kCounter, queries_refused);
  add("hoptap_http_tls_loads_failed_total", "Changed TLS files that could not be used.", kCounter, tls_loads_failed);
  return all;
}

void serve(asio::ip::tcp::socket socket, HttpShared& shared, std::shared_ptr<asio::ssl::context> tls) {
  if (tls == nullptr) return std::make_shared<Connection<PlainStream>>(shared, nullptr, std::move(socket))->start();
  asio::ssl::context& context = *tls;
  std::make_shared<Connection<TlsStream>>(shared, std::move(tls), std::move(socket), context)->start();
}

}  // namespace hoptap::appliance
