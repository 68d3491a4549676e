// Takes batches from a spool to the tracer over gRPC and deletes what the tracer acknowledges. One thread of its own;
// it reconnects for ever. Borrows the spool, which must outlive it. Any thread may call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "export/transport/spool.h"

namespace hoptap::exporting {

/// Files are PEM, and read again for every connection.
struct ClientTls {
  std::string ca_file;           ///< who signs tracers' certificates; empty: the system's authorities
  std::string certificate_file;  ///< the probe's own, for a tracer that asks for one; empty: none
  std::string key_file;          ///< of certificate_file
  std::string server_name;       ///< the name in the tracer's certificate; empty: the host in the address
};

struct SenderConfig {
  std::string address = "127.0.0.1:4717";  ///< host:port of the tracer
  std::optional<ClientTls> tls;            ///< none: plain text
  std::string probe;                       ///< name, 1 to 128 bytes of printable text
  std::string software;                    ///< "hoptap 0.2.0"

  /// Turns a spooled payload ("zstd") into what a tracer without zstd reads ("identity"). Empty: cannot.
  std::function<base::Outcome<std::string>(std::string_view)> decompress;

  std::chrono::milliseconds backoff_min{200};  ///< before the second attempt; doubles, each time with jitter
  std::chrono::milliseconds backoff_max{30'000};
  std::chrono::milliseconds connect_timeout{10'000};  ///< until Welcome
  std::chrono::milliseconds ack_timeout{30'000};      ///< without an acknowledgement while batches are on their way
  std::chrono::milliseconds keepalive{20'000};        ///< ping after so much silence; the tracer allows 10 s and more
  std::uint32_t batches_in_flight_max = 64;           ///< and at most what the tracer allows
  std::uint64_t bytes_in_flight_max = 16u << 20;
};

/// Fails in words on what can never work: no port, no good name. `with_files`: also on TLS files that cannot be used as
/// they are now.
[[nodiscard]] base::Outcome<void> check(const SenderConfig& config, bool with_files);

struct SenderStatus {
  bool connected = false;          ///< the tracer said Welcome and the stream holds
  std::string address;             ///< as configured
  std::string error;               ///< the last one, with what to do about it; kept while connected, empty if none ever
  std::uint64_t since_ns = 0;      ///< Unix time of the last change of `connected`
  std::uint64_t error_ns = 0;      ///< Unix time of `error`
  std::uint64_t attempts = 0;      ///< connections tried, all in all
  std::uint64_t connections = 0;   ///< of them, those that the tracer welcomed
  std::uint64_t acknowledged = 0;  ///< the highest number acknowledged
  std::uint32_t in_flight = 0;     ///< batches sent and not yet acknowledged
  std::uint64_t sent_batches = 0;
  std::uint64_t sent_bytes = 0;  ///< of payloads, repeats included
  std::uint64_t acks = 0;        ///< acted upon; each may cover many batches
};

class Sender {
 public:
  /// Starts the thread. Fails in words on a config that can never work (empty name, no port); a tracer that is away is
  /// no failure. Takes over spool.listen().
  [[nodiscard]] static base::Outcome<std::unique_ptr<Sender>> start(Spool& spool, SenderConfig config);

  ~Sender();  ///< stop()
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  SenderStatus status() const;

  /// Waits until the spool is empty, at most `longest`; true when it is.
  bool drain(std::chrono::milliseconds longest);

  /// Ends the connection and the thread. What is not acknowledged stays in the spool.
  void stop();

 private:
  class Impl;
  explicit Sender(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hoptap::exporting
