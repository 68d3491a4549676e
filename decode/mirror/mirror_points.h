// The points that one feed of mirrored packets is split into: a switch's sessions, and what the configuration says is a
// mirror. Shared by the workers of a feed; any thread. It is asked once for each session, not for each packet.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/address.h"

namespace hoptap::decode {

/// How a switch wrapped the packets that it mirrored.
enum class MirrorKind : std::uint8_t {
  kErspan,  ///< any type
  kVxlan,   ///< a mirror only by rule: else it is an overlay
  kGre,     ///< with an Ethernet frame (VMware's encapsulated remote mirroring) or a packet; only by rule
};

/// Which packets are a point of their own. What is not said fits all.
struct MirrorRule {
  MirrorKind kind = MirrorKind::kErspan;
  std::uint32_t id = 0;                 ///< ERSPAN session, VNI, GRE key; ERSPAN type I has session 0
  std::optional<base::IpAddress> from;  ///< the switch, as the outer source address
  std::optional<std::uint32_t> port;    ///< ERSPAN's: type II index, type III port
  std::optional<bool> egress;           ///< ERSPAN type III: mirrored as it left the port, or as it came
  std::size_t point = 0;                ///< rules with the same one are one point

  bool operator==(const MirrorRule&) const = default;
};

struct MirrorConfig {
  static constexpr std::size_t kPointsMax = 256;

  std::vector<MirrorRule> rules;  ///< the first that fits
  std::size_t points_max = 64;    ///< of the feed, kPointsMax at most; packets of further ones stay the feed's own
};

/// Where mirrored packets come from.
struct MirrorPoint {
  std::uint16_t number = 0;         ///< Decoded::interface_id of its packets
  std::uint16_t interface_id = 0;   ///< by which they came in
  std::optional<std::size_t> rule;  ///< MirrorRule::point; else an ERSPAN session of one switch
  MirrorKind kind = MirrorKind::kErspan;
  std::uint32_t id = 0;
  base::IpAddress from;
};

class MirrorPoints {
 public:
  explicit MirrorPoints(MirrorConfig config = {}) : config_(std::move(config)) {}

  const MirrorConfig& config() const { return config_; }

  /// The number of the point (`wanted` needs none), which may be new; nothing when there are points_max others.
  std::optional<std::uint16_t> number_of(const MirrorPoint& wanted);

  /// In the order they were found.
  std::vector<MirrorPoint> all() const;
  std::size_t size() const;

 private:
  const MirrorConfig config_;
  mutable std::mutex mutex_;  ///< over what follows
  std::vector<MirrorPoint> points_;
};

}  // namespace hoptap::decode
