#include "tests/lab/wire_faults.h"

#include <cstdlib>
#include <string>
#include <string_view>

namespace hoptap::lab {
namespace {

bool is_tcp(const Identity& identity) { return std::string_view(identity.transport) == "tcp"; }

}  // namespace

bool Faults::set(std::istream& words) {
  unsigned every = 0;
  std::string kind, of;
  std::uint64_t delay_us = 0;
  if (!(words >> every)) return false;
  if (every > 0) {
    if (!std::getline(words >> std::ws, kind, '-') || !(words >> of)) return false;
    if (kind != "delay" && kind != "lose" && kind != "reset") return false;
    if (of != "request" && of != "response") return false;
    if (kind == "delay" && !(words >> delay_us)) return false;
  }
  every_ = every;
  action_ = kind == "delay" ? Action::kDelay : kind == "lose" ? Action::kLose : Action::kReset;
  side_ = of == "request" ? kFromA : kFromB;
  extra_ns_ = delay_us * 1000u;
  requests_.clear();
  return true;
}

/// A label ends in the request's number: `quiet-000123`.
bool Faults::chosen(const std::array<char, 40>& label) const {
  const std::string_view text(label.data());
  const std::size_t dash = text.rfind('-');
  if (dash == std::string_view::npos) return false;
  const unsigned long number = std::strtoul(text.data() + dash + 1, nullptr, 10);
  return number > 0 && number % every_ == 0;
}

Fate Faults::decide(Side side, const Identity& identity) {
  if (every_ == 0 || !is_tcp(identity) || identity.payload_bytes == 0) return {};
  const ConnectionKey key =
      side == kFromA
          ? ConnectionKey{identity.source_address, identity.source_port, identity.target_address, identity.target_port}
          : ConnectionKey{identity.target_address, identity.target_port, identity.source_address, identity.source_port};
  if (requests_.size() >= kConnectionsMax && !requests_.contains(key)) return {};
  Request& request = requests_[key];
  const bool begins = side == kFromA && identity.label[0] != 0 && identity.label != request.label;
  if (begins) request = {.label = identity.label, .chosen = chosen(identity.label), .struck = false};
  if (!request.chosen || side != side_) return {};
  if (action_ == Action::kDelay) return {.extra_ns = extra_ns_, .label = request.label.data()};
  if (request.struck) return {};
  request.struck = true;
  return {.drop = true, .reset = action_ == Action::kReset, .label = request.label.data()};
}

}  // namespace hoptap::lab
