// Reads the traffic of a scenario, and distributions.
#include <fmt/format.h>

#include "appliance/forge/scenario_parts.h"

namespace hoptap::forge {
namespace {

constexpr Range kQuantity{0, kQuantityMax};
constexpr Range kShare{0, 1};

std::vector<double> numbers_of(const YAML::Node& node, const std::string& what, std::size_t count) {
  if (!node.IsSequence() || node.size() == 0 || (count > 0 && node.size() != count))
    throw YamlError(line_of(node), count > 0 ? fmt::format("{} needs {} numbers: [a, b]", what, count)
                                             : fmt::format("{} needs a list of numbers: [a, b, c]", what));
  std::vector<double> numbers;
  for (const auto& each : node) numbers.push_back(read_number(each, what, kQuantity));
  return numbers;
}

Distribution read_pick(const Section& form, const std::string& what) {
  Distribution picked{
      .kind = Distribution::Kind::kPick, .values = numbers_of(form.find("pick"), what, 0), .weights = {}};
  picked.weights.assign(picked.values.size(), 1);
  if (form.has("weights")) picked.weights = numbers_of(form.find("weights"), "weights", picked.values.size());
  double sum = 0;
  for (const double weight : picked.weights) sum += weight;
  if (sum <= 0) form.fail("weights", "are all zero");
  return picked;
}

Distribution read_form(const YAML::Node& node, const std::string& what) {
  const Section form(node, what, {"uniform", "normal", "exponential", "min", "lognormal", "pick", "weights"});
  const auto two = [&](std::string_view key, Distribution::Kind kind) {
    const auto numbers = numbers_of(form.find(key), fmt::format("{} of {}", key, what), 2);
    return Distribution{.kind = kind, .first = numbers[0], .second = numbers[1], .values = {}, .weights = {}};
  };
  const int kinds =
      form.has("uniform") + form.has("normal") + form.has("exponential") + form.has("lognormal") + form.has("pick");
  if (kinds != 1) throw YamlError(form.line(), what + " has one of uniform, normal, exponential, lognormal, pick");
  if (form.has("min") && !form.has("exponential")) form.fail("min", "goes with exponential only");
  if (form.has("weights") && !form.has("pick")) form.fail("weights", "go with pick only");
  if (form.has("normal")) return two("normal", Distribution::Kind::kNormal);
  if (form.has("pick")) return read_pick(form, what);
  if (form.has("exponential")) {
    Distribution d{.kind = Distribution::Kind::kExponential, .values = {}, .weights = {}};
    d.first = form.number("exponential", 0, kQuantity);
    d.second = form.number("min", 0, kQuantity);
    if (d.second > d.first) form.fail("min", "is more than the mean");
    return d;
  }
  if (form.has("lognormal")) {
    constexpr double kSigmaMax = 20;
    Distribution d = two("lognormal", Distribution::Kind::kLognormal);
    if (d.second > kSigmaMax) form.fail("lognormal", "is [median, sigma]; sigma is at most 20 (of the logarithm)");
    return d;
  }
  Distribution d = two("uniform", Distribution::Kind::kUniform);
  if (d.first > d.second) form.fail("uniform", "is [low, high]");
  return d;
}

std::vector<HeaderId> read_header_ids(const Section& traffic) {
  const std::vector<std::string_view> known{"x-request-id", "traceparent", "b3", "sw8"};
  std::vector<HeaderId> ids;
  const YAML::Node node = traffic.find("header_ids");
  if (!node.IsDefined() || node.IsNull()) return ids;
  if (!node.IsSequence()) traffic.fail("header_ids", "is a list: [x-request-id, traceparent]");
  for (const auto& each : node) {
    const std::string word = each.IsScalar() ? each.Scalar() : "";
    std::size_t at = 0;
    while (at < known.size() && known[at] != word) ++at;
    if (at == known.size())
      throw YamlError(line_of(each), fmt::format("'{}' is not one of {}", word, fmt::join(known, ", ")));
    ids.push_back(static_cast<HeaderId>(at));
  }
  return ids;
}

}  // namespace

Distribution read_distribution(const Section& section, std::string_view key, const Distribution& otherwise) {
  if (!section.has(key)) return otherwise;
  const YAML::Node node = section.find(key);
  const std::string what = fmt::format("{} of {}", key, section.what());
  if (node.IsMap()) return read_form(node, what);
  if (!node.IsScalar()) section.fail(key, "is a number or a distribution such as {uniform: [low, high]}");
  return Distribution::constant(read_number(node, what, kQuantity));
}

TrafficPlan read_traffic(const YAML::Node& node) {
  const Section section(
      node, "traffic",
      {"requests", "rate_per_s", "connections", "clients", "requests_per_connection", "pipeline", "mid_stream",
       "request_bytes", "response_bytes", "service_us", "timestamps", "mss", "delayed_ack_ms", "header_ids"});
  TrafficPlan plan;
  section.need("requests");
  const auto whole = [&](std::string_view key, std::uint64_t otherwise, double high) {
    return static_cast<std::uint32_t>(section.integer(key, otherwise, {1, high}));
  };
  constexpr double kRequestsMax = 1e7;  // the README says what memory each takes
  plan.requests = whole("requests", 1, kRequestsMax);
  plan.rate_per_s = section.number("rate_per_s", plan.rate_per_s, {0.001, 1e7});
  plan.connections = whole("connections", plan.connections, 20000);
  plan.clients = whole("clients", plan.clients, 5000);
  plan.requests_per_connection = whole("requests_per_connection", plan.requests_per_connection, 1e8);
  plan.pipeline = whole("pipeline", plan.pipeline, 100);
  plan.mid_stream = section.number("mid_stream", plan.mid_stream, kShare);
  plan.request_bytes = read_distribution(section, "request_bytes", plan.request_bytes);
  plan.response_bytes = read_distribution(section, "response_bytes", plan.response_bytes);
  plan.service_us = read_distribution(section, "service_us", plan.service_us);
  plan.timestamps = section.flag("timestamps", plan.timestamps);
  plan.mss = static_cast<std::uint32_t>(section.integer("mss", plan.mss, {88, 8948}));
  plan.delayed_ack = static_cast<Time>(section.number("delayed_ack_ms", 40, {0, 500}) * kMillisecond);
  plan.header_ids = read_header_ids(section);
  return plan;
}

}  // namespace hoptap::forge
