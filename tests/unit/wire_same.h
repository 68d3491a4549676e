// Compares record batches field by field. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "export/wire/batch.h"
#include "export/wire/connections.h"
#include "flowtable/record_codec.h"

namespace hoptap::test {

using exporting::Batch;
using flowtable::HopRecord;
using flowtable::LegRecord;

inline std::vector<std::uint8_t> bytes_of(const HopRecord& record) {
  std::vector<std::uint8_t> bytes;
  flowtable::encode(record, bytes);
  return bytes;
}

inline auto fields_of(const LegRecord::Direction& way) {
  return std::tie(way.packets, way.bytes, way.unseen_bytes, way.acknowledged_bytes, way.retransmissions,
                  way.out_of_order, way.syn_copies, way.duplicates_removed, way.ttl);
}

inline auto fields_of(const base::Link& link) {
  return std::tie(link.source, link.target, link.vlans, link.vlan_count, link.interface_index);
}

inline auto fields_of(const LegRecord& leg) {
  return std::tie(leg.point, leg.leg_id, leg.flags, leg.transport, leg.closing, leg.close, leg.client, leg.server,
                  leg.vantage.tunnels, leg.client_isn, leg.server_isn, leg.first_ns, leg.last_ns, leg.syn_ns,
                  leg.syn_ack_ns, leg.ack_ns, leg.syn_fingerprint, leg.exchanges, leg.protocol);
}

inline void expect_same(const Batch& left, const Batch& right) {
  EXPECT_EQ(left.points, right.points);
  EXPECT_EQ(left.metrics, right.metrics);
  ASSERT_EQ(left.hops.size(), right.hops.size());
  ASSERT_EQ(left.legs.size(), right.legs.size());
  for (std::size_t at = 0; at < left.hops.size(); ++at)
    EXPECT_EQ(bytes_of(left.hops[at]), bytes_of(right.hops[at])) << "hop " << at;
  for (std::size_t at = 0; at < left.legs.size(); ++at) {
    const LegRecord& a = left.legs[at];
    const LegRecord& b = right.legs[at];
    EXPECT_EQ(fields_of(a), fields_of(b)) << "leg " << at;
    EXPECT_EQ(fields_of(a.vantage.link), fields_of(b.vantage.link)) << "leg " << at;
    EXPECT_EQ(fields_of(a.to_server), fields_of(b.to_server)) << "leg " << at;
    EXPECT_EQ(fields_of(a.to_client), fields_of(b.to_client)) << "leg " << at;
    EXPECT_TRUE(exporting::same_processes(a.processes, b.processes)) << "leg " << at;
  }
}

}  // namespace hoptap::test
