#include "decode/mirror/mirror_splitter.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace hoptap::decode {
namespace {

std::optional<MirrorKind> kind_of(TunnelType type) {
  switch (type) {
    case TunnelType::kErspan1:
    case TunnelType::kErspan2:
    case TunnelType::kErspan3: return MirrorKind::kErspan;
    case TunnelType::kVxlan: return MirrorKind::kVxlan;
    case TunnelType::kGre:
    case TunnelType::kTeb: return MirrorKind::kGre;
    default: return std::nullopt;
  }
}

bool fits(const MirrorRule& rule, MirrorKind kind, std::uint32_t id, const base::IpAddress& from) {
  return rule.kind == kind && rule.id == id && (!rule.from || *rule.from == from);
}

/// Without the layers up to and with this one.
void take_off(TunnelStack& stack, std::size_t layer) {
  std::copy(stack.layers.begin() + static_cast<std::ptrdiff_t>(layer) + 1, stack.layers.begin() + stack.depth,
            stack.layers.begin());
  stack.depth = static_cast<std::uint8_t>(stack.depth - layer - 1);
}

}  // namespace

std::size_t MirrorSplitter::HashKey::operator()(const Key& key) const {
  return base::hash_bytes(key.from.bytes, base::hash_values(key.id, key.interface_id, key.hardware_id, key.kind));
}

MirrorSplitter::MirrorSplitter(std::shared_ptr<MirrorPoints> points)
    : points_(std::move(points)),
      rules_(points_->config().rules),
      looks_at_all_(std::any_of(rules_.begin(), rules_.end(),
                                [](const MirrorRule& rule) { return rule.kind != MirrorKind::kErspan; })),
      matched_rules_(rules_.size()) {}

void MirrorSplitter::split_all(std::span<Decoded> batch) {
  for (Decoded& packet : batch)
    if (packet.tunnels.depth != 0) split_one(packet);
}

bool MirrorSplitter::has_rule(MirrorKind kind, const Tunnel& layer) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const MirrorRule& rule) { return fits(rule, kind, layer.id, layer.source); });
}

/// The outermost one; the depth when there is none.
std::size_t MirrorSplitter::layer_of_mirror(const Decoded& packet) const {
  for (std::size_t at = 0; at < packet.tunnels.depth; ++at) {
    const Tunnel& layer = packet.tunnels.layers[at];
    const std::optional<MirrorKind> kind = kind_of(layer.type);
    if (kind && (*kind == MirrorKind::kErspan || has_rule(*kind, layer))) return at;
  }
  return packet.tunnels.depth;
}

void MirrorSplitter::split_one(Decoded& packet) {
  const std::size_t at = layer_of_mirror(packet);
  if (at == packet.tunnels.depth) return;
  const Tunnel& layer = packet.tunnels.layers[at];
  Key key{.from = layer.source, .id = layer.id, .interface_id = packet.interface_id, .kind = *kind_of(layer.type)};
  const bool is_erspan = key.kind == MirrorKind::kErspan;
  if (is_erspan && packet.mirror.type == 3) key.hardware_id = packet.mirror.hardware_id;
  Session* const session = session_of(key, packet.mirror);
  if (session == nullptr) {
    ++unlisted_packets_;
    return;
  }
  ++session->about.packets;
  // Of a plain GRE header the decoder notes the number when nothing of ERSPAN lies within.
  const bool has_number = key.kind != MirrorKind::kVxlan && is_erspan == (packet.mirror.type != 0);
  if (has_number && packet.mirror.has_sequence && counts_numbers_)
    session->gaps.add(packet.mirror.sequence, packet.time_ns);
  session->about.truncated += is_erspan && packet.mirror.truncated ? 1 : 0;
  Part* const part = part_of(*session, key, packet);
  if (part == nullptr || !part->number) {
    ++session->about.refused_packets;
    return;
  }
  ++part->packets;
  packet.interface_id = *part->number;
  take_off(packet.tunnels, at);
}

/// Null when there are too many.
MirrorSplitter::Session* MirrorSplitter::session_of(const Key& key, const Mirror& mirror) {
  if (last_ != nullptr && key == last_key_) return last_;
  auto place = places_.find(key);
  if (place == places_.end()) {
    if (sessions_.size() >= kSessionsMax) return nullptr;
    place = places_.emplace(key, sessions_.size()).first;
    Session& session = sessions_.emplace_back();
    session.about.kind = key.kind;
    session.about.type = key.kind == MirrorKind::kErspan ? mirror.type : 0;
    session.about.id = key.id;
    session.about.from = key.from;
    session.about.interface_id = key.interface_id;
    session.about.hardware_id = key.hardware_id;
    session.by_port = std::any_of(rules_.begin(), rules_.end(), [&](const MirrorRule& rule) {
      return (rule.port || rule.egress) && fits(rule, key.kind, key.id, key.from);
    });
  }
  last_key_ = key;
  last_ = &sessions_[place->second];
  return last_;
}

/// Null when there are too many.
MirrorSplitter::Part* MirrorSplitter::part_of(Session& session, const Key& key, const Decoded& packet) {
  const std::uint32_t port = session.by_port ? packet.mirror.port : 0;
  const bool egress = session.by_port && packet.mirror.egress;
  for (Part& part : session.parts)
    if (part.port == port && part.egress == egress) return &part;
  if (session.parts.size() >= MirrorConfig::kPointsMax) return nullptr;
  return &session.parts.emplace_back(Part{port, egress, ask(key, port, egress)});
}

std::optional<std::uint16_t> MirrorSplitter::ask(const Key& key, std::uint32_t port, bool egress) {
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&](const MirrorRule& one) {
    return fits(one, key.kind, key.id, key.from) && (!one.port || *one.port == port) &&
           (!one.egress || *one.egress == egress);
  });
  MirrorPoint wanted{.interface_id = key.interface_id, .kind = key.kind, .id = key.id, .from = key.from};
  if (rule != rules_.end()) {
    wanted.rule = rule->point;
    matched_rules_[static_cast<std::size_t>(rule - rules_.begin())] = true;
  }
  return points_->number_of(wanted);
}

void MirrorSplitter::set_counting(bool counts) {
  if (counts_numbers_ && !counts)
    for (Session& session : sessions_) session.gaps.begin_anew();
  counts_numbers_ = counts;
}

void MirrorSplitter::advance(std::uint64_t now_ns) {
  for (Session& session : sessions_) session.gaps.advance(now_ns);
}

void MirrorSplitter::finish() {
  for (Session& session : sessions_) session.gaps.finish();
}

std::vector<MirrorSession> MirrorSplitter::sessions() const {
  std::vector<MirrorSession> all;
  all.reserve(sessions_.size());
  for (const Session& session : sessions_) {
    all.push_back(session.about);
    all.back().numbers = session.gaps.counts();
    for (const Part& part : session.parts)
      if (part.number) all.back().shares.push_back({*part.number, part.packets});
  }
  return all;
}

}  // namespace hoptap::decode
