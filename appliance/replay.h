// Runs captures through the engine: capture -> filter -> decode -> flow table -> records.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appliance/mirrors.h"
#include "base/result.h"
#include "capture/filter.h"
#include "capture/source.h"
#include "decode/decoder.h"
#include "decode/mirror/switch_stamps.h"
#include "export/point_stamps.h"
#include "flowtable/flow_table.h"

namespace hoptap::appliance {

/// What a capture or interface is besides a point.
struct FeedConfig {
  std::vector<MirrorHint> mirrors;
  decode::StampSource stamps = decode::StampSource::kPacket;
};

struct ReplayConfig {
  std::string filter;  ///< tcpdump expression; "" takes everything
  decode::DecodeConfig decode;
  flowtable::FlowTableConfig flows;
  std::vector<FeedConfig> feeds;  ///< of each capture; of further ones the default
};

/// One capture file and the engine that reads it. Its points are point_base + interface id, or + the number of a mirror
/// point.
class Feed {
 public:
  static constexpr std::uint32_t kPointsPerFeed = 1u << 16;

  [[nodiscard]] static base::Outcome<std::unique_ptr<Feed>> open(const std::string& path, std::uint32_t index,
                                                                 const ReplayConfig& config,
                                                                 std::size_t mirror_points_max,
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
  /// By the capture's stamps: the others may be a switch's.
  std::uint64_t captured_first_ns() const { return captured_first_ns_; }
  bool ended() const { return ended_; }
  /// What was wrong with the capture or the filter, for the person; "" when nothing was.
  std::string complaint() const;
  std::uint64_t filtered_packets() const { return filter_ ? filter_->filtered_packets() : 0; }
  const capture::Source& source() const { return *source_; }
  const flowtable::FlowCounters& flow_counters() const { return flows_.counters(); }
  const decode::Decoder& decoder() const { return decoder_; }
  const std::vector<MirrorHint>& mirror_hints() const { return mirror_hints_; }
  std::vector<decode::MirrorPoint> mirror_points() const { return mirror_points_->all(); }
  std::vector<decode::MirrorSession> mirror_sessions() const { return splitter_.sessions(); }
  const decode::SwitchStamps& stamps() const { return stamps_; }
  /// Of mirror_hints(), which ever was the first that fit a packet.
  const std::vector<bool>& matched_mirrors() const { return splitter_.matched_rules(); }
  /// Mirrored packets that stayed with the interface, beside those of the sessions.
  std::uint64_t unlisted_mirror_packets() const { return splitter_.unlisted_packets(); }

 private:
  Feed(std::string path, std::uint32_t index, std::unique_ptr<capture::Source> source, const ReplayConfig& config,
       const FeedConfig& feed, std::size_t mirror_points_max, flowtable::RecordSink& sink);
  bool fetch();
  void take(std::size_t count);
  void note_times(std::uint64_t first_ns, std::uint64_t last_ns);

  std::string path_;
  std::uint32_t point_base_;
  std::unique_ptr<capture::Source> source_;
  std::optional<capture::PacketFilter> filter_;
  decode::Decoder decoder_;
  std::vector<MirrorHint> mirror_hints_;
  std::shared_ptr<decode::MirrorPoints> mirror_points_;
  decode::MirrorSplitter splitter_;
  decode::SwitchStamps stamps_;
  flowtable::FlowTable flows_;
  std::vector<capture::Packet> packets_;
  std::span<capture::Packet> ahead_;  ///< of them, those read and not looked at
  std::vector<decode::Decoded> decoded_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t captured_first_ns_ = 0;
  bool ended_ = false;
};

/// A point by its number in records.
struct NumberedPoint {
  std::uint32_t number = 0;
  PointHint point;  ///< with name and role
};

/// Those of a capture that is called `hint.name`: its interfaces, then what mirrors were found in it so far.
std::vector<NumberedPoint> points_of(const Feed& feed, const PointHint& hint);

/// Who stamped the packets of a point of it, by the point's number in records.
std::vector<exporting::PointStamp> stamps_of(const Feed& feed, std::uint32_t number);

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
  struct Beginning {
    std::uint64_t earliest_ns = 0;
    bool is_shared = true;  ///< the captures' times have to do with each other
  };
  Beginning beginning(std::uint64_t (Feed::*first_ns)() const) const;

  std::vector<std::unique_ptr<Feed>> feeds_;
  bool relative_ = false;
};

}  // namespace hoptap::appliance
