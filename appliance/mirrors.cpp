#include "appliance/mirrors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "export/wire/batch.h"

namespace hoptap::appliance {
namespace {

using decode::MirrorKind;
using decode::MirrorSession;

constexpr std::array<std::pair<MirrorKind, std::string_view>, 3> kKinds{
    {{MirrorKind::kErspan, "erspan"}, {MirrorKind::kVxlan, "vxlan"}, {MirrorKind::kGre, "gre"}}};

std::string_view kind_text(MirrorKind kind) { return kKinds[static_cast<std::size_t>(kind)].second; }

using SessionKey =
    std::tuple<MirrorKind, std::uint8_t, std::uint32_t, std::uint16_t, std::uint16_t, std::array<std::uint8_t, 16>>;

SessionKey key_of(const MirrorSession& one) {
  return {one.kind, one.type, one.id, one.hardware_id, one.interface_id, one.from.bytes};
}

void add(std::vector<decode::MirrorShare>& sum, const decode::MirrorShare& more) {
  const auto known = std::find_if(sum.begin(), sum.end(), [&](const auto& one) { return one.point == more.point; });
  if (known == sum.end()) {
    sum.push_back(more);
  } else {
    known->packets += more.packets;
  }
}

/// The packets of a session go to one worker (by their outer addresses), to another when the workers have changed. If
/// they go to both at a time, gaps mean nothing.
void add(decode::SequenceCounts& sum, const decode::SequenceCounts& more) {
  if (more.packets == 0) return;
  if (sum.packets == 0) {
    sum = more;
    return;
  }
  const bool apart = sum.last_ns <= more.first_ns || more.last_ns <= sum.first_ns;
  sum.moves = apart && (sum.moves || more.moves);
  sum.packets += more.packets;
  sum.lost += more.lost;
  sum.late += more.late;
  sum.repeated += more.repeated;
  sum.restarts += more.restarts;
  sum.strays += more.strays;
  sum.first_ns = std::min(sum.first_ns, more.first_ns);
  sum.last_ns = std::max(sum.last_ns, more.last_ns);
}

}  // namespace

decode::MirrorConfig mirror_config(std::span<const MirrorHint> hints, std::size_t points_max) {
  decode::MirrorConfig config{.rules = {}, .points_max = points_max};
  for (std::size_t at = 0; at < hints.size(); ++at) {
    const auto first = std::find_if(hints.begin(), hints.end(), [&](const MirrorHint& one) {
      return !one.point.name.empty() && one.point.name == hints[at].point.name;
    });
    config.rules.push_back(hints[at].rule);
    config.rules.back().point = first == hints.end() ? at : static_cast<std::size_t>(first - hints.begin());
  }
  return config;
}

const std::vector<std::string_view>& stamp_sources() {
  static const std::vector<std::string_view> names{"packet",   "erspan",    "arista",     "metamako",
                                                   "cisco_ie", "cisco_hpt", "arista_7150"};
  return names;
}

std::string missing_stamps_text(const decode::StampCounts& counts) {
  const std::uint64_t kept = counts.absent + counts.implausible + counts.unanchored;
  if (kept + counts.refused_keyframes == 0) return "";
  std::string text = fmt::format(
      "{} of {} packets have no stamp of a switch, {} one that is too far from when they were captured; they keep the "
      "capture's time",
      counts.absent + counts.unanchored, counts.taken + kept, counts.implausible);
  if (counts.unanchored > 0)
    text += fmt::format(", {} for want of a keyframe in the 10 s around them", counts.unanchored);
  if (counts.keyframes == 0 && counts.unanchored > 0)
    text += " (none came: does the switch send them to this port, does a filter keep 'ip proto 253'?)";
  if (counts.refused_keyframes > 0)
    text += fmt::format("; {} keyframes contradict those before or are another device's, and were not used",
                        counts.refused_keyframes);
  return text;
}

std::string mirror_text(MirrorKind kind, std::uint32_t id) { return fmt::format("{}-{}", kind_text(kind), id); }

std::optional<MirrorName> read_mirror_name(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  const std::size_t dash = text.rfind('-');
  if (slash == std::string::npos || dash == std::string::npos || dash < slash) return std::nullopt;
  MirrorName name{.feed = text.substr(0, slash), .rule = {}};
  const std::string_view kind = std::string_view(text).substr(slash + 1, dash - slash - 1);
  const auto known = std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& one) { return one.second == kind; });
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + dash + 1, end, name.rule.id);
  if (known == kKinds.end() || error != std::errc{} || at != end) return std::nullopt;
  name.rule.kind = known->first;
  return name;
}

std::size_t mirror_points_max(std::size_t feeds) {
  constexpr std::size_t kPoints = exporting::batch_limit::kPoints;
  const std::size_t room = kPoints > feeds ? kPoints - feeds : 0;
  return std::min(decode::MirrorConfig().points_max, room / std::max<std::size_t>(feeds, 1));
}

PointHint point_of_mirror(std::span<const MirrorHint> hints, const PointHint& feed,
                          std::span<const decode::MirrorPoint> found, std::size_t at) {
  const decode::MirrorPoint& mirror = found[at];
  PointHint point;
  if (mirror.rule) point = hints[*mirror.rule].point;
  if (point.name.empty()) {
    point.name = feed.name + "/" + mirror_text(mirror.kind, mirror.id);
    const bool is_second =
        std::any_of(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(at), [&](const auto& one) {
          return one.interface_id == mirror.interface_id && one.kind == mirror.kind && one.id == mirror.id;
        });
    if (is_second) point.name += mirror.rule ? fmt::format("#{}", *mirror.rule + 1) : "-" + mirror.from.text();
  }
  if (point.role.empty()) point.role = feed.role.empty() ? role_of_name(point.name) : feed.role;
  return point;
}

MirrorSums sums_of_mirror(std::span<const MirrorSession> sessions, std::uint16_t point) {
  MirrorSums sums;
  std::uint64_t lost = 0;
  bool known = true;
  for (const MirrorSession& session : sessions) {
    for (const decode::MirrorShare& share : session.shares) {
      if (share.point != point) continue;
      sums.packets += share.packets;
      // Which of its points a lost packet was of, nobody knows.
      known = known && session.shares.size() == 1 && session.lost().has_value();
      lost += session.lost().value_or(0);
    }
  }
  if (known && sums.packets > 0) sums.lost = lost;
  return sums;
}

void merge_sessions(std::vector<MirrorSession>& sum, const std::vector<MirrorSession>& more) {
  if (more.empty()) return;
  std::map<SessionKey, std::size_t> places;  // there may be a thousand
  for (std::size_t at = 0; at < sum.size(); ++at) places.emplace(key_of(sum[at]), at);
  for (const MirrorSession& session : more) {
    const auto place = places.find(key_of(session));
    if (place == places.end()) {
      sum.push_back(session);
      continue;
    }
    MirrorSession* const known = &sum[place->second];
    known->packets += session.packets;
    known->truncated += session.truncated;
    known->refused_packets += session.refused_packets;
    add(known->numbers, session.numbers);
    for (const decode::MirrorShare& share : session.shares) add(known->shares, share);
  }
}

std::string session_text(const MirrorSession& session) {
  constexpr std::array<std::string_view, 4> kTypes{"", " I", " II", " III"};
  std::string text;
  switch (session.kind) {
    case MirrorKind::kErspan:
      text = fmt::format("ERSPAN{}", kTypes[std::min<std::size_t>(session.type, kTypes.size() - 1)]);
      if (session.type != 1) text += fmt::format(" session {}", session.id);
      break;
    case MirrorKind::kVxlan: text = fmt::format("VXLAN {}", session.id); break;
    case MirrorKind::kGre: text = fmt::format("GRE key {}", session.id); break;
  }
  text += fmt::format(" from {}", session.from.text());
  if (session.hardware_id != 0) text += fmt::format(" engine {}", session.hardware_id);
  return text;
}

std::string rule_text(const decode::MirrorRule& rule) {
  std::string text = fmt::format("{} {}", kind_text(rule.kind), rule.id);
  if (rule.from) text += fmt::format(" from {}", rule.from->text());
  if (rule.port) text += fmt::format(" port {}", *rule.port);
  if (rule.egress) text += *rule.egress ? " direction out" : " direction in";
  return text;
}

std::vector<std::string> unmatched_mirrors(std::span<const MirrorHint> hints, const std::vector<bool>& matched,
                                           std::span<const MirrorSession> sessions) {
  constexpr std::size_t kListedMax = 3;
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < hints.size(); ++at) {
    if (at < matched.size() && matched[at]) continue;
    const decode::MirrorRule& rule = hints[at].rule;
    std::string text = fmt::format("no packet was of the mirror '{}'", rule_text(rule));
    if (!hints[at].point.name.empty()) text += fmt::format(" ({})", hints[at].point.name);
    const auto is_near = [&rule](const MirrorSession& one) { return one.kind == rule.kind && one.id == rule.id; };
    const bool any_near = std::any_of(sessions.begin(), sessions.end(), is_near);
    std::string others;
    std::size_t listed = 0;
    for (const MirrorSession& one : sessions) {
      if (any_near && !is_near(one)) continue;
      if (++listed <= kListedMax) others += fmt::format("{}{}", others.empty() ? "" : ", ", session_text(one));
    }
    if (listed > kListedMax) others += fmt::format(" and {} more", listed - kListedMax);
    const bool same = any_near && std::any_of(sessions.begin(), sessions.end(), [&](const MirrorSession& one) {
                        return is_near(one) && (!rule.from || *rule.from == one.from);
                      });
    if (same) {
      text += fmt::format(": {} came, but an earlier entry fits, or the port or direction is another", others);
    } else {
      text += others.empty() ? ": no mirrored packet came" : fmt::format(": what came is {}", others);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string account_text(const MirrorSession& session) {
  std::string text = fmt::format("{} packets", session.packets);
  if (const auto lost = session.lost()) {
    text += fmt::format(", {} lost on the way here", *lost);
  } else {
    text += ", what was lost on the way here is not known";
  }
  const auto add_if = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add_if(session.numbers.late, "out of order");
  add_if(session.numbers.repeated, "repeated");
  add_if(session.numbers.restarts, "restarts of the session");
  add_if(session.numbers.strays, "with a number from far away");
  add_if(session.truncated, "cut by the switch");
  add_if(session.refused_packets, "not split off, for there are too many points");
  return text;
}

}  // namespace hoptap::appliance
