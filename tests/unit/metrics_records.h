// Hop records and flow metrics made by hand. For tests only.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "export/metrics/row.h"
#include "tests/unit/wire_records.h"

namespace hoptap::test {

inline constexpr std::uint64_t kSecondNs = 1'000'000'000;

inline base::Endpoint endpoint_of(std::uint32_t number, std::uint16_t port) {
  const std::array<std::uint8_t, 4> bytes{10, static_cast<std::uint8_t>(number >> 16),
                                          static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  return {base::IpAddress::from(bytes), port};
}

/// An answered request of the client at the time, of 1 ms.
inline flowtable::HopRecord hop_of(std::uint32_t client, std::uint64_t time_ns, std::uint32_t status = 200) {
  flowtable::HopRecord hop;
  hop.client = endpoint_of(client, 40000);
  hop.server = endpoint_of(0xffff01, 80);
  hop.protocol = "http";
  hop.status = status;
  hop.has_status = true;
  hop.request.first_ns = hop.request.last_ns = time_ns - 1'000'000;
  hop.response.first_ns = hop.response.last_ns = time_ns;
  return hop;
}

/// Every field with a value of its own that is not 0.
inline flowtable::FlowMetrics flow_of(std::uint32_t client, std::uint64_t time_ns) {
  std::uint32_t next = 1;
  const auto times = [&next](flowtable::Times& to) {
    to.add(next++ * 1000);
    to.add(next++ * 1000);
  };
  flowtable::FlowMetrics flow;
  flow.client = endpoint_of(client, 40000);
  flow.server = endpoint_of(0xffff01, 80);
  flow.protocol = "http";
  flow.first_ns = time_ns - 1000;
  flow.last_ns = time_ns;
  flow.opened = flow.closed = true;
  flow.close = flowtable::CloseReason::kHalfClosed;
  for (flowtable::DirectionMetrics* way : {&flow.to_server, &flow.to_client}) {
    for (std::uint64_t* field : {&way->packets, &way->bytes, &way->payload_bytes, &way->zero_window_ns,
                                 &way->window_limited_ns, &way->unseen_bytes, &way->acknowledged_bytes})
      *field = next++;
    for (std::uint32_t* field :
         {&way->syn, &way->fin, &way->rst, &way->duplicates_removed, &way->retransmissions_timeout,
          &way->retransmissions_fast, &way->retransmissions_probe, &way->retransmissions_spurious,
          &way->syn_retransmissions, &way->keep_alives, &way->out_of_order, &way->duplicate_acks, &way->sack_blocks,
          &way->zero_windows, &way->in_flight_bytes_max, &way->ecn_congestion, &way->ecn_echo, &way->ttl_changes})
      *field = next++;
    way->mss = static_cast<std::uint16_t>(1000 + next++);
    way->window_scale = static_cast<std::uint8_t>(next++);
    times(way->rtt);
    times(way->rtt_timestamps);
  }
  for (flowtable::Times* kind : {&flow.handshake_server, &flow.handshake_client, &flow.handshake, &flow.server_response,
                                 &flow.application_response, &flow.client_idle, &flow.reply})
    times(*kind);
  flow.icmp_errors = next;
  return flow;
}

}  // namespace hoptap::test
