// The certificate in use, read again when its files change. One thread. Private to appliance/http/.
#pragma once

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "appliance/http/server.h"

namespace hoptap::appliance {

class TlsFiles {
 public:
  explicit TlsFiles(HttpTls files) : files_(std::move(files)) {}

  /// Reads the files; a failure says which one and why.
  [[nodiscard]] base::Outcome<void> load();
  /// What new connections are to use. Looks at the files at most once a second.
  std::shared_ptr<boost::asio::ssl::context> current();
  std::uint64_t failed_loads() const { return failed_loads_; }

 private:
  using Stamp = std::array<std::int64_t, 4>;  ///< of a file: changes when it is written or replaced
  std::array<Stamp, 3> stamps() const;

  HttpTls files_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::array<Stamp, 3> loaded_{};
  std::chrono::steady_clock::time_point looked_;
  std::uint64_t failed_loads_ = 0;
};

}  // namespace hoptap::appliance
