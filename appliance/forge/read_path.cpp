// Reads the elements of a scenario's path.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "appliance/forge/scenario_parts.h"

namespace hoptap::forge {
namespace {

constexpr Range kShare{0, 1};
constexpr Range kLossOnWire{0, 0.5};  // with more no connection comes to an end
constexpr Range kSpan{-1e9, 1e9};
const std::vector<std::string_view> kElements{"point",      "segment", "router",  "dnat",    "snat", "tunnel",
                                              "tunnel_end", "tso",     "rewrite", "gateway", "ecmp"};
const std::vector<std::string_view> kOfPoint{"point", "role", "clock", "mirror", "sees"};

Time time_of(double value, Time unit) { return static_cast<Time>(value * static_cast<double>(unit)); }

std::uint32_t read_ip(const Section& section, std::string_view key, std::string_view text) {
  std::uint32_t ip = 0;
  const char* at = text.data();
  const char* end = at + text.size();
  for (int part = 0; part < 4; ++part) {
    std::uint32_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    const bool last = part == 3;
    if (error != std::errc{} || value > 255 || (last ? next != end : next == end || *next != '.'))
      section.fail(key, fmt::format("is '{}', not an IPv4 address such as 10.0.0.1", text));
    ip = ip << 8 | value;
    at = next + 1;
  }
  return ip;
}

Address read_address(const Section& section, std::string_view key, std::string_view otherwise) {
  const std::string text = section.text(key, otherwise);
  const std::size_t colon = text.find(':');
  std::uint32_t port = 0;
  if (colon != std::string::npos) std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (port == 0 || port > 65535 || fmt::format("{}:{}", text.substr(0, colon), port) != text)
    section.fail(key, fmt::format("is '{}'; write it as IP:PORT, for example 10.96.0.10:80", text));
  return {read_ip(section, key, text.substr(0, colon)), static_cast<std::uint16_t>(port)};
}

Clock read_clock(const YAML::Node& node) {
  const Section section(node, "a clock", {"offset_ms", "drift_ppm", "steps"});
  Clock clock;
  clock.offset = time_of(section.number("offset_ms", 0, kSpan), kMillisecond);
  clock.drift_ppm = section.number("drift_ppm", 0, {-1000, 1000});
  if (!section.has("steps")) return clock;
  const YAML::Node steps = section.find("steps");
  if (!steps.IsSequence()) section.fail("steps", "is a list: [{at_s: 2, by_us: 150}]");
  for (const auto& each : steps) {
    const Section step(each, "a clock step", {"at_s", "by_us"});
    step.need("at_s");
    step.need("by_us");
    clock.steps.push_back({.at = time_of(step.number("at_s", 0, {0, 1e7}), kSecond),
                           .by = time_of(step.number("by_us", 0, {-1e12, 1e12}), kMicrosecond)});
  }
  return clock;
}

Mirror read_mirror(const YAML::Node& node) {
  const Section section(node, "a mirror", {"loss", "duplicate", "reorder", "truncate_bytes"});
  Mirror mirror;
  mirror.loss = section.number("loss", 0, kShare);
  mirror.duplicate = section.number("duplicate", 0, kShare);
  mirror.reorder = section.number("reorder", 0, kShare);
  mirror.truncate_bytes = static_cast<std::uint32_t>(section.integer("truncate_bytes", 0, {0, 262144}));
  if (mirror.truncate_bytes > 0 && mirror.truncate_bytes < 14)
    section.fail("truncate_bytes", "is less than an Ethernet header (14); 96 keeps all headers");
  return mirror;
}

PointPlan read_point(const Section& element) {
  PointPlan point;
  point.name = element.text("point", "");
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; };
  constexpr std::size_t kNameMax = 60;
  if (point.name.empty() || point.name.size() > kNameMax || !letter(point.name[0]) ||
      !std::all_of(point.name.begin(), point.name.end(), fits))
    element.fail("point", fmt::format("'{}' is no name: letters, digits, '-', '_', '.', a letter first", point.name));
  const std::vector<std::string_view> roles{"unknown", "pod", "node", "host", "switch", "gateway"};
  point.role = roles[element.choice("role", 0, roles)];
  point.clock = read_clock(element.find("clock"));
  point.mirror = read_mirror(element.find("mirror"));
  point.sees = static_cast<Sees>(element.choice("sees", 0, {"both", "request", "response"}));
  return point;
}

SegmentPlan read_segment(const YAML::Node& node) {
  const Section section(node, "a segment", {"delay_us", "back_us", "loss", "duplicate", "reorder"});
  section.need("delay_us");
  SegmentPlan segment;
  segment.delay_us = read_distribution(section, "delay_us", {});
  segment.back_us = read_distribution(section, "back_us", segment.delay_us);
  segment.loss = section.number("loss", 0, kLossOnWire);
  segment.duplicate = section.number("duplicate", 0, kShare);
  segment.reorder = section.number("reorder", 0, kShare);
  return segment;
}

TunnelPlan read_tunnel(const YAML::Node& node) {
  const Section section(node, "a tunnel", {"type", "id"});
  section.need("type");
  TunnelPlan tunnel;
  tunnel.kind = static_cast<TunnelKind>(section.choice("type", 0, {"vxlan", "ipip", "gre"}));
  tunnel.id = static_cast<std::uint32_t>(
      section.integer("id", 0, {0, tunnel.kind == TunnelKind::kGre ? 4294967295.0 : 16777215.0}));
  if (tunnel.kind == TunnelKind::kIpInIp && section.has("id"))
    section.fail("id", "is for vxlan and gre; ipip has none");
  return tunnel;
}

RewritePlan read_rewrite(const YAML::Node& node) {
  const Section section(node, "a rewrite", {"kind", "service", "address"});
  section.need("kind");
  RewritePlan rewrite;
  rewrite.kind = static_cast<RewriteKind>(section.choice("kind", 0, {"fullnat", "firewall", "synproxy"}));
  if (rewrite.kind != RewriteKind::kFullNat) {
    for (const std::string_view key : {"service", "address"})
      if (section.has(key)) section.fail(key, "is for fullnat only");
    return rewrite;
  }
  rewrite.service = read_address(section, "service", "10.96.1.10:80");
  rewrite.address = read_ip(section, "address", section.text("address", "10.97.1.1"));
  return rewrite;
}

OffloadPlan read_offload(const YAML::Node& node) {
  const Section section(node, "a tso", {"mss", "big"});
  OffloadPlan offload;
  offload.mss = static_cast<std::uint32_t>(section.integer("mss", 1448, {88, 8948}));
  offload.big = static_cast<Side>(section.choice("big", 0, {"client", "server"}));
  return offload;
}

std::vector<ElementPlan> read_elements(const YAML::Node& node, bool in_branch);

EcmpPlan read_ecmp(const YAML::Node& node) {
  if (!node.IsSequence() || node.size() < 2)
    throw YamlError(line_of(node), "ecmp is a list of at least two branches, each a list of elements");
  EcmpPlan ecmp;
  for (const auto& branch : node) ecmp.branches.push_back(read_elements(branch, true));
  return ecmp;
}

ElementPlan read_element(const YAML::Node& node, bool in_branch) {
  std::string kind;
  if (node.IsMap())
    for (const auto& entry : node)
      if (const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
          std::find(kElements.begin(), kElements.end(), key) != kElements.end())
        kind = key;
  const Section element(node, "a path element",
                        kind == "point" ? kOfPoint
                        : kind.empty()  ? kElements
                                        : std::vector<std::string_view>{kind});
  if (kind.empty())
    throw YamlError(element.line(), "a path element is one of " + fmt::format("{}", fmt::join(kElements, ", ")));
  if (in_branch && (kind == "ecmp" || kind == "gateway"))
    throw YamlError(element.line(), "a branch of ecmp holds neither ecmp nor gateway; put it before or behind");
  ElementPlan plan{.line = element.line(), .what = RouterPlan{}};
  const YAML::Node value = element.find(kind);
  const auto nothing_in = [&](const char* what) { const Section empty(value, what, {}); };
  if (kind == "point") plan.what = read_point(element);
  if (kind == "segment") plan.what = read_segment(value);
  if (kind == "router") nothing_in("a router");
  if (kind == "tunnel") plan.what = read_tunnel(value);
  if (kind == "tso") plan.what = read_offload(value);
  if (kind == "rewrite") plan.what = read_rewrite(value);
  if (kind == "ecmp") plan.what = read_ecmp(value);
  if (kind == "dnat") {
    const Section dnat(value, "a dnat", {"service"});
    plan.what = DnatPlan{read_address(dnat, "service", "10.96.0.10:80")};
  }
  if (kind == "snat") {
    const Section snat(value, "a snat", {"address"});
    plan.what = SnatPlan{read_ip(snat, "address", snat.text("address", "10.97.0.1"))};
  }
  if (kind == "tunnel_end") {
    nothing_in("a tunnel_end");
    plan.what = TunnelEndPlan{};
  }
  if (kind == "gateway") {
    const Section gateway(value, "a gateway", {"service_us"});
    plan.what = GatewayPlan{read_distribution(gateway, "service_us", Distribution::constant(100))};
  }
  return plan;
}

std::vector<ElementPlan> read_elements(const YAML::Node& node, bool in_branch) {
  constexpr std::size_t kElementsMax = 200;
  if (!node.IsSequence() || node.size() > kElementsMax)
    throw YamlError(line_of(node), "a path is a list of at most 200 elements, such as '- point: client'");
  std::vector<ElementPlan> path;
  for (const auto& each : node) path.push_back(read_element(each, in_branch));
  return path;
}

}  // namespace

std::vector<ElementPlan> read_path(const YAML::Node& node) { return read_elements(node, false); }

}  // namespace hoptap::forge
