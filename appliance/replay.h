// Runs captures through the engine: capture -> filter -> decode -> flow table -> records.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/filter.h"
#include "capture/source.h"
#include "decode/decoder.h"
#include "flowtable/flow_table.h"

namespace hoptap::appliance {

struct ReplayConfig {
  std::string filter;  ///< tcpdump expression; "" takes everything
  decode::DecodeConfig decode;
  flowtable::FlowTableConfig flows;
};

/// One capture file and the engine that reads it. Its points are point_base + interface id.
class Feed {
 public:
  static constexpr std::uint32_t kPointsPerFeed = 1u << 16;

  [[nodiscard]] static base::Outcome<std::unique_ptr<Feed>> open(const std::string& path, std::uint32_t index,
                                                                 const ReplayConfig& config,
                                                                 flowtable::RecordSink& sink);

  /// Reads one batch on; at the end closes every leg. @return false when the capture had ended
  bool step();

  /// Packet time of the next packet, which is read but not looked at yet; nothing at the end, where it closes every
  /// leg.
  std::optional<std::uint64_t> next_ns();
  /// Looks at what has been read, of which there is some, up to the first packet later than this.
  void take_until(std::uint64_t time_ns);

  const std::string& path() const { return path_; }
  std::uint32_t point_base() const { return point_base_; }
  /// Packet time reached, ns since the epoch.
  std::uint64_t now_ns() const { return now_ns_; }
  std::uint64_t first_ns() const { return first_ns_; }
  bool ended() const { return ended_; }
  /// What was wrong with the capture or the filter, for the person; "" when nothing was.
  std::string complaint() const;
  std::uint64_t filtered_packets() const { return filter_ ? filter_->filtered_packets() : 0; }
  const capture::Source& source() const { return *source_; }
  const flowtable::FlowCounters& flow_counters() const { return flows_.counters(); }
  const decode::Decoder& decoder() const { return decoder_; }

 private:
  Feed(std::string path, std::uint32_t index, std::unique_ptr<capture::Source> source, const ReplayConfig& config,
       flowtable::RecordSink& sink);
  bool fetch();
  void take(std::size_t count);

  std::string path_;
  std::uint32_t point_base_;
  std::unique_ptr<capture::Source> source_;
  std::optional<capture::PacketFilter> filter_;
  decode::Decoder decoder_;
  flowtable::FlowTable flows_;
  std::vector<capture::Packet> packets_;
  std::span<capture::Packet> ahead_;  ///< of them, those read and not looked at
  std::vector<decode::Decoded> decoded_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t first_ns_ = 0;
  bool ended_ = false;
};

/// Several captures side by side, always reading on where packet time is furthest behind, so that the
/// records of one request come close together.
class Replay {
 public:
  /// Opens all captures; the first that cannot be read is the failure.
  [[nodiscard]] static base::Outcome<Replay> open(const std::vector<std::string>& paths, const ReplayConfig& config,
                                                  flowtable::RecordSink& sink);

  /// Reads one batch of one capture. @return false when all have ended
  bool step();

  /// Instead of step(), to keep pace with the packets: reads what came within `elapsed_ns` of the first.
  /// @return how long after the first the next one comes; nothing when all have ended
  std::optional<std::uint64_t> read_until(std::uint64_t elapsed_ns);

  const std::vector<std::unique_ptr<Feed>>& feeds() const { return feeds_; }
  capture::SourceProgress progress() const;

 private:
  /// Time by which a feed is compared with the others: of its own packets, or since its first packet when
  /// the captures share no time.
  std::uint64_t position(const Feed& feed) const;
  std::uint64_t earliest_ns() const;
  void compare_clocks();

  std::vector<std::unique_ptr<Feed>> feeds_;
  bool relative_ = false;
};

}  // namespace hoptap::appliance
