// A scenario as docs/forge.md describes it, read and checked: plain values. Owns all it holds; any thread may read it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "appliance/forge/distribution.h"
#include "appliance/forge/instant.h"

namespace hoptap::forge {

/// An IPv4 address and a port, in host order.
struct Address {
  std::uint32_t ip = 0;
  std::uint16_t port = 0;

  std::string text() const;  ///< "10.0.0.1:80"
  bool operator==(const Address&) const = default;
};

struct ClockStep {
  Time at = 0;
  Time by = 0;
};

/// How the clock of a point differs from the perfect one.
struct Clock {
  Time offset = 0;
  double drift_ppm = 0;
  std::vector<ClockStep> steps;

  Time stamp(Time perfect) const;  ///< Unix time in nanoseconds as this clock shows it
};

/// What a mirror port does to the packets it copies: shares of them.
struct Mirror {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;
  std::uint32_t truncate_bytes = 0;  ///< bytes kept of each; 0: all
};

enum class Sees : std::uint8_t { kBoth, kRequest, kResponse };
enum class TunnelKind : std::uint8_t { kVxlan, kIpInIp, kGre };
enum class Side : std::uint8_t { kClient, kServer };
enum class RewriteKind : std::uint8_t { kFullNat, kFirewall, kSynProxy };

struct PointPlan {
  std::string name;
  std::string role;
  Clock clock;
  Mirror mirror;
  Sees sees = Sees::kBoth;
};
struct SegmentPlan {
  Distribution delay_us;
  Distribution back_us;
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;
};
struct RouterPlan {};
struct DnatPlan {
  Address service;
};
struct SnatPlan {
  std::uint32_t address = 0;
};
struct TunnelPlan {
  TunnelKind kind = TunnelKind::kVxlan;
  std::uint32_t id = 0;
};
struct TunnelEndPlan {};
struct OffloadPlan {
  std::uint32_t mss = 1448;
  Side big = Side::kClient;  ///< on which side of it segments are big
};
struct RewritePlan {
  RewriteKind kind = RewriteKind::kFullNat;
  Address service;            ///< of kFullNat
  std::uint32_t address = 0;  ///< of kFullNat: what the server sees
};
struct GatewayPlan {
  Distribution service_us;
};
struct ElementPlan;
struct EcmpPlan {
  std::vector<std::vector<ElementPlan>> branches;
};
struct ElementPlan {
  int line = 0;
  std::variant<PointPlan, SegmentPlan, RouterPlan, DnatPlan, SnatPlan, TunnelPlan, TunnelEndPlan, OffloadPlan,
               RewritePlan, GatewayPlan, EcmpPlan>
      what;
};

enum class FaultKind : std::uint8_t { kDelay, kLoseRequest, kLoseResponse, kLoseAck, kServerSlow, kZeroWindow, kReset };
enum class Culprit : std::uint8_t { kNone, kClient, kServer, kMiddlebox };

struct FaultPlan {
  int line = 0;
  FaultKind kind = FaultKind::kDelay;
  double share = 0.25;
  std::string from;  ///< the segment, client side first; empty when there is none
  std::string to;
  Time add = 0;
  Time closed_for = 0;
  bool on_response = false;
  Culprit by = Culprit::kNone;

  bool has_segment() const { return !from.empty(); }
};

enum class HeaderId : std::uint8_t { kRequestId, kTraceParent, kB3, kSw8 };

struct TrafficPlan {
  std::uint32_t requests = 0;
  double rate_per_s = 200;
  std::uint32_t connections = 20;
  std::uint32_t clients = 4;
  std::uint32_t requests_per_connection = 25;
  std::uint32_t pipeline = 1;
  double mid_stream = 0;
  Distribution request_bytes = Distribution::constant(300);
  Distribution response_bytes = Distribution::constant(1000);
  Distribution service_us = Distribution::constant(800);
  bool timestamps = true;
  std::uint32_t mss = 1448;
  Time delayed_ack = 40 * kMillisecond;
  std::vector<HeaderId> header_ids;
};

struct Scenario {
  std::string name;
  std::uint64_t seed = 1;
  TrafficPlan traffic;
  std::vector<ElementPlan> path;
  std::vector<FaultPlan> faults;
};

std::string_view name_of(FaultKind kind);
std::string_view name_of(Culprit by);

}  // namespace hoptap::forge
