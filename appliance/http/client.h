// Asks an HTTP server for something and waits for the answer. For the command line. One thread each.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"

namespace hoptap::appliance {

struct HttpUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, without brackets
  std::uint16_t port = 0;
  std::string base;  ///< path without a slash at its end, put before every target
};

/// "http://host", "https://[::1]:8717/behind/a/proxy".
[[nodiscard]] base::Outcome<HttpUrl> read_url(const std::string& text);

struct HttpReply {
  unsigned status = 0;
  std::string body;
  std::string next;  ///< the header Hoptap-Next
};

class HttpClient {
 public:
  static constexpr std::size_t kBodyBytesMax = 256u << 20;

  /// `ca_file`: PEM, trusted beside the system's; "": none.
  HttpClient(HttpUrl url, std::string ca_file, std::chrono::seconds timeout = std::chrono::seconds(60));
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// GET over a connection of its own. Fails in words when nobody answers, or not in time, or with a certificate that
  /// is not trusted.
  [[nodiscard]] base::Outcome<HttpReply> get(const std::string& target, const std::string& accept);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hoptap::appliance
