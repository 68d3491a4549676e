// What is known of the mirrored packets of a feed, for people and for the tracer: names of the points that they come
// from, what was lost of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appliance/points.h"
#include "decode/mirror/mirror_splitter.h"
#include "decode/mirror/switch_stamps.h"

namespace hoptap::appliance {

/// Names of decode::StampSource, in its order.
const std::vector<std::string_view>& stamp_sources();

/// "40 of 900 packets have no stamp of a switch, 2 one that is too far from when they were captured; they keep the
/// capture's time"; "" when all have one.
std::string missing_stamps_text(const decode::StampCounts& counts);

/// What the person said of some mirrored packets.
struct MirrorHint {
  decode::MirrorRule rule;
  PointHint point;  ///< without a name: named as it is found
};

decode::MirrorConfig mirror_config(std::span<const MirrorHint> hints, std::size_t points_max);

/// "erspan-7", "vxlan-900", "gre-5".
std::string mirror_text(decode::MirrorKind kind, std::uint32_t id);

/// Reads what mirror_text() writes, behind the last '/' of "FEED/erspan-7"; the rest is the feed. Nothing when that is
/// not there.
struct MirrorName {
  std::string feed;
  decode::MirrorRule rule;
};
std::optional<MirrorName> read_mirror_name(const std::string& text);

/// How many points each of so many feeds may be split into, so that all fit a batch.
std::size_t mirror_points_max(std::size_t feeds);

/// The point of found[at]: as its hint says, else the feed's name, "/" and mirror_text(), with the switch behind it
/// when an earlier one has sent the same session. `feed`: the point of the interface that it came in by, with a name.
PointHint point_of_mirror(std::span<const MirrorHint> hints, const PointHint& feed,
                          std::span<const decode::MirrorPoint> found, std::size_t at);

/// What came of a point's packets.
struct MirrorSums {
  std::uint64_t packets = 0;
  std::optional<std::uint64_t> lost;  ///< nothing: not known
};
MirrorSums sums_of_mirror(std::span<const decode::MirrorSession> sessions, std::uint16_t point);

/// One list of those that several workers have of the same feed.
void merge_sessions(std::vector<decode::MirrorSession>& sum, const std::vector<decode::MirrorSession>& more);

/// "ERSPAN II session 7 from 198.18.0.1".
std::string session_text(const decode::MirrorSession& session);

/// "erspan 7 from 198.18.0.1 port 12", as the configuration has it.
std::string rule_text(const decode::MirrorRule& rule);

/// A sentence for each entry that was the first to fit no packet, with what came instead: "no packet was of the mirror
/// 'erspan 7 from 198.18.0.2' (tor-1): what came is ERSPAN II session 7 from 198.18.0.1".
/// @param matched  decode::MirrorSplitter::matched_rules()
std::vector<std::string> unmatched_mirrors(std::span<const MirrorHint> hints, const std::vector<bool>& matched,
                                           std::span<const decode::MirrorSession> sessions);

/// What became of a session's packets, a sentence without a point: "4000 packets, 12 lost on the way here".
std::string account_text(const decode::MirrorSession& session);

}  // namespace hoptap::appliance
