// The tracer's gRPC entrance: takes streams of batches from any number of probes and hands them to a BatchSink. gRPC
// owns the threads. Borrows the sink, which must outlive it. Any thread may call.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "export/transport/batch_sink.h"

namespace hoptap::exporting {

/// Files are PEM. They are looked at every reload_seconds: new connections see the new certificate, old ones live on.
struct ServerTls {
  std::string certificate_file;  ///< the tracer's, with intermediates
  std::string key_file;
  std::string client_ca_file;  ///< who signs probes' certificates, which are then demanded; empty: none are asked for
  unsigned reload_seconds = 5;
};

struct CollectorConfig {
  std::string listen = "127.0.0.1:4717";  ///< host:port; port 0: the kernel picks
  std::optional<ServerTls> tls;           ///< none: plain text
  std::vector<std::string> codings{"zstd", "identity"};

  std::uint32_t batch_bytes_max = 4u << 20;
  std::uint32_t batches_in_flight_max = 64;     ///< per probe; further ones are not read
  std::uint32_t streams_max = 1024;             ///< further ones are refused in words
  std::uint64_t bytes_per_second_max = 0;       ///< per probe; 0: any. Slows the reading, never an error
  std::uint64_t batches_per_second_max = 0;     ///< per probe; 0: any
  std::uint64_t memory_bytes_max = 512u << 20;  ///< of gRPC's buffers
  unsigned threads_max = 64;                    ///< of gRPC's own

  std::chrono::milliseconds hello_timeout{10'000};      ///< from the stream's start to its Hello
  std::chrono::milliseconds handshake_timeout{10'000};  ///< TCP accepted to TLS and HTTP/2 agreed
  std::chrono::milliseconds idle_timeout{60'000};       ///< of a connection without a stream
  std::chrono::milliseconds keepalive{30'000};          ///< ping after so much silence; no answer in 20 s ends it
  std::chrono::milliseconds stop_timeout{10'000};       ///< in stop(), for batches that are being stored
};

/// Fails in words on an address or on TLS files that cannot be used as they are now. Does not listen.
[[nodiscard]] base::Outcome<void> check(const CollectorConfig& config);

/// Why streams ended.
enum class StreamEndReason : std::uint8_t {
  kClosed,       ///< by the probe, after Hello, in order
  kBroken,       ///< connection lost, cancelled, or a message far over the limit
  kMalformed,    ///< bytes that are no message, or a message that says nothing
  kNoHello,      ///< too late, or something else first
  kBadHello,     ///< name, instance or codings
  kProtocol,     ///< version not spoken here
  kRefused,      ///< by BatchSink::welcome
  kBadSequence,  ///< not ascending
  kOversize,     ///< a payload over batch_bytes_max
  kBadCoding,
  kBadBatch,     ///< StoreOutcome::kMalformed
  kUnavailable,  ///< StoreOutcome::kUnavailable
  kTooMany,      ///< streams_max
  kReplaced,     ///< the same spool connected again
  kStopping,
};
inline constexpr std::size_t kStreamEndReasons = 15;

/// A word for metrics: "bad_sequence".
std::string_view name(StreamEndReason reason);

struct CollectorCounters {
  std::uint64_t streams = 0;  ///< open now, those without Hello included
  std::uint64_t probes = 0;   ///< of them, welcomed
  std::uint64_t streams_opened = 0;
  std::array<std::uint64_t, kStreamEndReasons> streams_ended{};  ///< by StreamEndReason
  std::uint64_t batches_received = 0;
  std::uint64_t bytes_received = 0;  ///< of payloads
  std::uint64_t batches_stored = 0;
  std::uint64_t records_stored = 0;    ///< as probes say
  std::uint64_t duplicates = 0;        ///< batches that were stored already: acknowledged, not stored again
  std::uint64_t gaps = 0;              ///< batch numbers that probes passed over: dropped by their spools
  std::uint64_t batches_unstored = 0;  ///< malformed or unavailable
  std::uint64_t acks_sent = 0;
  std::uint64_t times_slowed = 0;  ///< reads put off by a rate limit
};

class CollectorServer {
 public:
  /// Listens. Fails in words: address in use or not ours, certificate or key missing, unreadable or not a pair.
  [[nodiscard]] static base::Outcome<std::unique_ptr<CollectorServer>> start(BatchSink& sink, CollectorConfig config);

  ~CollectorServer();  ///< stop()
  CollectorServer(const CollectorServer&) = delete;
  CollectorServer& operator=(const CollectorServer&) = delete;

  std::uint16_t port() const;  ///< that it listens on
  CollectorCounters counters() const;

  /// What is wrong with the TLS files as they are now, in words; empty when nothing is. With files that are no pair new
  /// connections fail until that is mended; old ones live on. Reads them: for once in a while, and for people.
  std::string tls_fault() const;

  /// Takes no more batches, waits (stop_timeout) for those being stored, acknowledges them, ends all streams. After it
  /// returns the sink is called no more.
  void stop();

 private:
  class Impl;
  explicit CollectorServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hoptap::exporting
