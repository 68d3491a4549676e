#include "linker/streams.h"

#include <gtest/gtest.h>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::Group;

/// A sighting of a request that begins at `start` ms and waits `wait` ms.
HopRecord sighting_at(std::uint32_t point, std::uint32_t request_sequence, std::uint32_t response_sequence,
                      std::int64_t start, std::int64_t wait) {
  HopRecord record;
  record.point = point;
  record.leg_id = base::hash_values(point, request_sequence);
  record.protocol = "http";
  record.request.first_ns = record.request.last_ns = static_cast<std::uint64_t>((1000 + start) * kMs);
  record.response.first_ns = record.response.last_ns = record.request.first_ns + static_cast<std::uint64_t>(wait * kMs);
  record.request.sequence = request_sequence;
  record.response.sequence = response_sequence;
  record.request.bytes = 100;
  record.request.head_hash = 42;
  record.request.tsval = 7;
  record.request.tsecr = 9;
  return record;
}

HopRecord with_id(HopRecord record, const std::string& id) {
  record.ids.push_back({base::IdKind::kRequestId, false, id});
  return record;
}

TEST(Streams, OneDirectionsNumbersAreEnough) {
  const HopRecord one = sighting_at(0, 1'000'000, 5'000'000, 0, 10);
  EXPECT_TRUE(linker::same_numbers(one, sighting_at(1, 1'000'000, 9'000'000, 0, 10))) << "a SYN proxy";
  EXPECT_TRUE(linker::same_numbers(one, sighting_at(1, 7'000'000, 5'000'000, 0, 10))) << "a full NAT";
  EXPECT_FALSE(linker::same_numbers(one, sighting_at(1, 7'000'000, 9'000'000, 0, 10)));
  EXPECT_TRUE(linker::same_stream(one, sighting_at(1, 7'000'000, 9'000'000, 0, 10))) << "the same bytes";
}

TEST(Streams, RenumberedOnesAreJoinedWhenNothingElseFits) {
  const auto group = [](std::uint32_t point, std::uint32_t sequence) {
    return Group{{sighting_at(point, sequence, sequence + 9, 0, 10)}};
  };
  EXPECT_EQ(linker::join_renumbered({group(0, 1'000'000), group(1, 9'000'000)}).size(), 1u);
  EXPECT_EQ(linker::join_renumbered({group(0, 1'000'000), group(0, 9'000'000)}).size(), 2u)
      << "one point sees no twins";
  EXPECT_EQ(linker::join_renumbered({group(0, 1'000'000), group(1, 9'000'000), group(2, 17'000'000)}).size(), 3u)
      << "which belongs to which cannot be told";
}

TEST(Streams, AGatewaysStreamsAreChainedByTheirId) {
  const Group outer{{with_id(sighting_at(0, 1, 2, 0, 30), "a"), with_id(sighting_at(1, 1, 2, 500, 29), "a")}};
  const Group inner{{with_id(sighting_at(2, 3, 4, 9000, 20), "a")}};
  EXPECT_EQ(linker::chain_streams({inner, outer}).size(), 1u);
  const Group other{{with_id(sighting_at(2, 3, 4, 9000, 20), "b")}};
  EXPECT_EQ(linker::chain_streams({outer, other}).size(), 2u);
}

TEST(Streams, ARetryWithTheSameIdIsAnotherRequest) {
  const Group first{{with_id(sighting_at(0, 1, 2, 0, 30), "a")}};
  const Group retry{{with_id(sighting_at(0, 101, 102, 40, 20), "a")}};
  EXPECT_EQ(linker::chain_streams({first, retry}).size(), 2u) << "one after the other at the same point";
  const Group nested{{with_id(sighting_at(0, 101, 102, 5, 20), "a")}};
  EXPECT_EQ(linker::chain_streams({first, nested}).size(), 1u) << "both sides of a gateway in one capture";
}

TEST(Streams, TheWholeLinkerPutsAGatewayOnThePath) {
  linker::PointTable points;
  std::vector<HopRecord> records;
  for (std::uint32_t request = 0; request < 20; ++request) {
    const std::string id = "id-" + std::to_string(request);
    for (std::uint32_t point = 0; point < 4; ++point) {
      const bool behind = point >= 2;
      HopRecord record = sighting_at(point, behind ? request * 5'000'000 + 77 : request * 4'000'000 + 5,
                                     behind ? request * 3'000'000 + 99 : request * 2'000'000 + 7,
                                     request * 100 + point * 10'000, 40 - 5 * static_cast<std::int64_t>(point));
      record.request.bytes = behind ? 140 : 100;
      record.response.bytes = 200;
      record.request.head_hash = base::hash_values(request, behind);
      record.request.tsval = request * 10 + (behind ? 5'000 : 1);
      record.request.ttl = behind ? 64 : static_cast<std::uint8_t>(64 - point);
      records.push_back(with_id(record, id));
    }
  }
  const Analysis analysis = analyse(records, points);
  ASSERT_EQ(analysis.traces.size(), 20u);
  for (const linker::Trace& trace : analysis.traces) {
    ASSERT_EQ(trace.hops.size(), 4u);
    for (std::size_t at = 0; at < 4; ++at) EXPECT_EQ(trace.hops[at].node.point, at);
    const auto gateway = std::find_if(trace.parts.begin(), trace.parts.end(),
                                      [](const linker::Part& part) { return part.kind == linker::PartKind::kGateway; });
    ASSERT_NE(gateway, trace.parts.end());
    EXPECT_EQ(gateway->time_ns, 5 * kMs);
    EXPECT_EQ(gateway->from, 1u);
  }
}

}  // namespace
}  // namespace hoptap::test
