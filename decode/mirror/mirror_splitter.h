// Between decode and flow table: mirrored packets become those of the point where they were mirrored, without what the
// switch wrapped them in. One for each worker.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "decode/decoded.h"
#include "decode/mirror/mirror_points.h"
#include "decode/mirror/sequence_gaps.h"

namespace hoptap::decode {

/// What of a session went to one point.
struct MirrorShare {
  std::uint16_t point = 0;  ///< MirrorPoint::number
  std::uint64_t packets = 0;
};

/// One session of one switch: what shares a sequence of numbers.
struct MirrorSession {
  MirrorKind kind = MirrorKind::kErspan;
  std::uint8_t type = 0;  ///< of ERSPAN: 1 to 3, as the first packet
  std::uint32_t id = 0;
  base::IpAddress from;
  std::uint16_t interface_id = 0;  ///< of the feed, by which it came in
  std::uint16_t hardware_id = 0;   ///< ERSPAN type III: each engine of a switch counts for itself
  std::uint64_t packets = 0;
  std::uint64_t truncated = 0;        ///< that the switch cut
  SequenceCounts numbers;             ///< packets 0: it has none
  std::uint64_t refused_packets = 0;  ///< that stayed the feed's own, for want of room for their point
  std::vector<MirrorShare> shares;    ///< one unless a rule tells ports or directions apart

  /// What was lost between switch and here, the ring's drops among it; nothing: not known.
  std::optional<std::uint64_t> lost() const { return numbers.is_known() ? std::optional(numbers.lost) : std::nullopt; }
};

class MirrorSplitter {
 public:
  static constexpr std::size_t kSessionsMax = 1024;  ///< packets of further ones stay the feed's own

  explicit MirrorSplitter(std::shared_ptr<MirrorPoints> points);

  /// Gives mirrored packets the interface_id of their point and takes the outer layers off. Costs nothing where there
  /// are none and the configuration has no rule for other than ERSPAN.
  /// @param erspan_packets  Decoder::erspan_packets() behind this batch
  void split(std::span<Decoded> batch, std::uint64_t erspan_packets) {
    if (erspan_packets == seen_ && !looks_at_all_) [[likely]]
      return;
    seen_ = erspan_packets;
    split_all(batch);
  }

  /// Whether numbers say what was lost: not while the packets of a session go now to one worker, now to another.
  void set_counting(bool counts);

  /// No packet may have come, but it is `now_ns`, in packet time.
  void advance(std::uint64_t now_ns);
  /// No more packets.
  void finish();

  /// In the order they were found.
  std::vector<MirrorSession> sessions() const;
  /// Of MirrorConfig::rules, which ever was the first that fit a packet.
  const std::vector<bool>& matched_rules() const { return matched_rules_; }
  /// Packets that were to be split off, of sessions more than kSessionsMax.
  std::uint64_t unlisted_packets() const { return unlisted_packets_; }

 private:
  struct Key {
    base::IpAddress from;
    std::uint32_t id = 0;
    std::uint16_t interface_id = 0;
    std::uint16_t hardware_id = 0;
    MirrorKind kind{};

    bool operator==(const Key&) const = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const;
  };
  /// What of a session is one point.
  struct Part {
    std::uint32_t port = 0;
    bool egress = false;
    std::optional<std::uint16_t> number;  ///< nothing: no room
    std::uint64_t packets = 0;
  };
  struct Session {
    MirrorSession about;
    SequenceGaps gaps;
    bool by_port = false;     ///< a rule tells its ports or directions apart
    std::vector<Part> parts;  ///< one unless by_port
  };

  void split_all(std::span<Decoded> batch);
  void split_one(Decoded& packet);
  std::size_t layer_of_mirror(const Decoded& packet) const;
  bool has_rule(MirrorKind kind, const Tunnel& layer) const;
  Session* session_of(const Key& key, const Mirror& mirror);
  Part* part_of(Session& session, const Key& key, const Decoded& packet);
  std::optional<std::uint16_t> ask(const Key& key, std::uint32_t port, bool egress);

  const std::shared_ptr<MirrorPoints> points_;
  const std::vector<MirrorRule>& rules_;
  const bool looks_at_all_;
  std::vector<bool> matched_rules_;
  std::uint64_t seen_ = 0;
  bool counts_numbers_ = true;
  std::uint64_t unlisted_packets_ = 0;
  std::deque<Session> sessions_;
  std::unordered_map<Key, std::size_t, HashKey> places_;  ///< in sessions_
  Key last_key_;
  Session* last_ = nullptr;  ///< that of last_key_
};

}  // namespace hoptap::decode
