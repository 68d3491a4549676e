// Where the collector puts batches: the tracer implements it. Called from gRPC's few threads, so a call must not wait
// for the disk; different probes call at once, one probe's calls take turns: welcome, store ..., goodbye, welcome ...
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hoptap::exporting {

/// Who connects. Checked: lengths, printable text, 16 bytes of instance.
struct ProbeHello {
  std::uint32_t protocol = 0;
  std::string probe;                 ///< name, 1 to 128 bytes, printable
  std::string instance;              ///< 16 bytes
  std::string software;              ///< at most 128 bytes, printable
  std::vector<std::string> codings;  ///< that it can send
  std::string peer;                  ///< "10.0.0.1:40312"
  std::string certificate_name;      ///< common name of its certificate; empty without mutual TLS
};

struct ReceivedBatch {
  std::uint64_t sequence = 0;
  std::uint32_t records = 0;  ///< as the probe says; not checked
  std::string coding;         ///< one of CollectorConfig::codings
  std::string payload;
};

enum class StoreOutcome : std::uint8_t {
  kStored,       ///< durable, or was so already
  kMalformed,    ///< can never be stored: the probe drops it, counted, and goes on with the next
  kUnavailable,  ///< not now (disk full): the probe keeps it and tries again later
};

struct StoreResult {
  StoreOutcome outcome = StoreOutcome::kStored;
  std::string words;  ///< why not, for the person at the probe; empty when stored
};

class BatchSink {
 public:
  virtual ~BatchSink() = default;

  /// Gives the number of the last batch of this instance that is stored, 0 if none. A failure refuses the probe with
  /// these words.
  virtual base::Outcome<std::uint64_t> welcome(const ProbeHello& hello) = 0;

  /// Checks and stores a batch and calls `stored` exactly once, from any thread, also before store() returns: once it
  /// is durable, or with why not. Batches of a probe come in ascending order, several before the first is answered.
  /// After a kUnavailable the later ones of the same welcome() must be answered kUnavailable too: welcome() gives one
  /// number, and what lies below it is never sent again.
  virtual void store(const ProbeHello& hello, ReceivedBatch&& batch, std::function<void(StoreResult)> stored) = 0;

  /// The probe's stream has ended and all its batches are answered.
  virtual void goodbye(const ProbeHello& hello) = 0;
};

}  // namespace hoptap::exporting
