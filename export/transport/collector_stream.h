// The protocol of one stream, without a network: messages of a probe in, what to ask the sink and what to reply out.
// Takes calls one at a time; the caller locks. Private to transport. docs/formats/collector.md says what it enforces.
#pragma once

#include <collector.pb.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "export/transport/batch_sink.h"
#include "export/transport/collector_server.h"

namespace hoptap::exporting {

inline constexpr std::uint32_t kProtocol = 1;
inline constexpr std::size_t kProbeNameBytesMax = 128;
inline constexpr std::size_t kInstanceBytes = 16;
inline constexpr std::size_t kCodingsMax = 16;

/// CollectorCounters as they are counted, by all streams at once.
struct CollectorTally {
  std::atomic<std::uint64_t> streams{}, probes{}, streams_opened{}, batches_received{}, bytes_received{},
      batches_stored{}, records_stored{}, duplicates{}, gaps{}, batches_unstored{}, acks_sent{}, times_slowed{};
  std::array<std::atomic<std::uint64_t>, kStreamEndReasons> streams_ended{};
};

struct StreamEnd {
  StreamEndReason reason = StreamEndReason::kClosed;
  std::string words;                ///< for the person at the probe
  std::uint64_t refused_batch = 0;  ///< that the probe must not send again; 0: none
};

class CollectorStream {
 public:
  struct AskWelcome {};  ///< call BatchSink::welcome with hello(), then welcomed()
  struct Store {         ///< call BatchSink::store, then stored()
    ReceivedBatch batch;
  };
  using Step = std::variant<std::monostate, AskWelcome, Store>;

  CollectorStream(const CollectorConfig& config, CollectorTally& tally) : config_(config), tally_(tally) {}

  /// One message of the probe. What is against the protocol ends the stream.
  Step take(v1::FromProbe&& message);
  void welcomed(const base::Outcome<std::uint64_t>& last_stored);
  void stored(std::uint64_t sequence, const StoreResult& result);

  /// Ends the stream, unless it has ended already.
  void end(StreamEndReason reason, std::string words, std::uint64_t refused_batch = 0);

  /// The next message to write, if there is one: Welcome, then acknowledgements, also after the end.
  bool reply(v1::FromTracer& message);
  bool wants_reply() const { return owes_welcome_ || owes_ack_; }

  /// Whether another message should be read: not while too many batches are being stored.
  bool wants_more() const;

  const std::optional<StreamEnd>& ended() const { return end_; }
  bool greeted() const { return state_ != State::kNew; }      ///< Hello was taken
  bool open() const { return state_ == State::kWelcomed; }    ///< the sink said welcome
  std::size_t being_stored() const { return being_stored_; }  ///< asked of the sink and not answered
  std::uint64_t acknowledged() const { return acknowledged_; }
  ProbeHello& hello() { return hello_; }  ///< the caller fills in where it comes from

 private:
  enum class State : std::uint8_t { kNew, kAsked, kWelcomed };
  enum class Progress : std::uint8_t { kBeingStored, kStored, kNotStored };
  struct Pending {
    std::uint64_t sequence = 0;
    std::uint32_t records = 0;
    Progress progress = Progress::kBeingStored;
  };

  Step take_hello(v1::Hello&& hello);
  Step take_batch(v1::Batch&& batch);
  bool reads(std::string_view coding) const;

  const CollectorConfig& config_;
  CollectorTally& tally_;
  State state_ = State::kNew;
  ProbeHello hello_;
  std::uint64_t received_ = 0;      ///< the highest number of this stream
  std::uint64_t acknowledged_ = 0;  ///< all up to here are stored
  std::deque<Pending> pending_;     ///< after acknowledged_, ascending
  std::size_t being_stored_ = 0;
  bool owes_welcome_ = false;
  bool owes_ack_ = false;
  std::optional<StreamEnd> end_;
};

/// Printable UTF-8 of 1 to `bytes_max` bytes.
bool is_printable(std::string_view text, std::size_t bytes_max);

}  // namespace hoptap::exporting
