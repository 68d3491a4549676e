#include "appliance/probe/point_section.h"

#include <fmt/format.h>

#include <array>

namespace hoptap::appliance {
namespace {

/// Which of the keys that say what a mirror is wrapped in is there.
decode::MirrorRule read_kind(const Section& section) {
  struct Kind {
    std::string_view key;
    decode::MirrorKind kind;
    double most;
  };
  static constexpr std::array kKinds = {Kind{"erspan", decode::MirrorKind::kErspan, 1023},
                                        Kind{"vxlan", decode::MirrorKind::kVxlan, 0xffffff},
                                        Kind{"gre", decode::MirrorKind::kGre, 0xffffffff}};
  decode::MirrorRule rule;
  bool found = false;
  for (const Kind& one : kKinds) {
    if (!section.has(one.key)) continue;
    if (found) section.fail(one.key, "is one too many: a mirror is erspan, vxlan or gre");
    found = true;
    rule.kind = one.kind;
    rule.id = static_cast<std::uint32_t>(section.integer(one.key, 0, {0, one.most}));
  }
  if (!found)
    throw YamlError(section.line(),
                    "a mirror begins with '- erspan: SESSION', '- vxlan: VNI' or '- gre: KEY' (0: without a key)");
  return rule;
}

MirrorHint read_mirror(const YAML::Node& node) {
  const Section section(node, "a mirror",
                        {"erspan", "vxlan", "gre", "from", "port", "direction", "point", "role", "order"});
  MirrorHint mirror{.rule = read_kind(section), .point = {}};
  if (section.has("from")) {
    mirror.rule.from = base::IpAddress::from_text(section.text("from", ""));
    if (!mirror.rule.from) section.fail("from", "is the address of a switch, such as 10.0.0.1");
  }
  const bool is_erspan = mirror.rule.kind == decode::MirrorKind::kErspan;
  if (section.has("port")) {
    if (!is_erspan) section.fail("port", "is told by ERSPAN only");
    mirror.rule.port = static_cast<std::uint32_t>(section.integer("port", 0, {0, 0xfffff}));
  }
  if (section.has("direction")) {
    if (!is_erspan) section.fail("direction", "is told by ERSPAN type III only");
    mirror.rule.egress = section.choice("direction", 0, {"in", "out"}) == 1;
  }
  mirror.point.name = section.text("point", "");
  read_role(section, mirror.point);
  return mirror;
}

}  // namespace

void read_role(const Section& section, PointHint& point) {
  point.role = section.text("role", "");
  if (!point.role.empty() && !is_role(point.role)) section.fail("role", fmt::format("is one of {}", roles_text()));
  if (section.has("order")) point.order = static_cast<std::uint32_t>(section.integer("order", 0, {0, 4e9}));
}

FeedConfig read_feed(const Section& section) {
  FeedConfig feed;
  feed.stamps = static_cast<decode::StampSource>(section.choice("time", 0, stamp_sources()));
  if (!section.has("mirrors")) return feed;
  const YAML::Node list = section.find("mirrors");
  if (!list.IsSequence()) section.fail("mirrors", "is a list; each begins with '- erspan: SESSION'");
  for (const YAML::Node& node : list) feed.mirrors.push_back(read_mirror(node));
  return feed;
}

}  // namespace hoptap::appliance
