#include "appliance/forge/scenario.h"

#include <fmt/format.h>

#include <cmath>

namespace hoptap::forge {

std::string Address::text() const {
  return fmt::format("{}.{}.{}.{}:{}", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, port);
}

Time Clock::stamp(Time perfect) const {
  constexpr double kMillion = 1e6;
  Time shown = perfect + offset + static_cast<Time>(std::floor(static_cast<double>(perfect) * drift_ppm / kMillion));
  for (const ClockStep& step : steps)
    if (perfect >= step.at) shown += step.by;
  return kRunBegins + shown;
}

std::string_view name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kDelay: return "delay";
    case FaultKind::kLoseRequest: return "lose_request";
    case FaultKind::kLoseResponse: return "lose_response";
    case FaultKind::kLoseAck: return "lose_ack";
    case FaultKind::kServerSlow: return "server_slow";
    case FaultKind::kZeroWindow: return "zero_window";
    case FaultKind::kReset: return "reset";
  }
  return "";
}

std::string_view name_of(Culprit by) {
  switch (by) {
    case Culprit::kNone: return "";
    case Culprit::kClient: return "client";
    case Culprit::kServer: return "server";
    case Culprit::kMiddlebox: return "middlebox";
  }
  return "";
}

}  // namespace hoptap::forge
