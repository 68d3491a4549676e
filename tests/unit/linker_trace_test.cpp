#include "linker/trace.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "linker/copies.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::FarEnd;
using linker::Part;
using linker::PartKind;
using linker::Trace;
namespace trace_flag = linker::trace_flag;

HopRecord hop(std::uint32_t point, std::uint64_t request_first, std::uint64_t request_last,
              std::uint64_t response_first, std::uint64_t response_last) {
  HopRecord record;
  record.point = point;
  record.request.first_ns = request_first;
  record.request.last_ns = request_last;
  record.response.first_ns = response_first;
  record.response.last_ns = response_last;
  return record;
}

/// The records are given client first.
Trace trace_of(std::vector<HopRecord> records, const std::string& last_role = "unknown") {
  linker::Path path;
  for (std::size_t at = 0; at < records.size(); ++at) {
    linker::PathHop place;
    place.record = at;
    place.node = {records[at].point, 0};
    place.point = "p" + std::to_string(at);
    place.role = at + 1 == records.size() ? last_role : "unknown";
    place.tier = static_cast<std::uint32_t>(at);
    path.hops.push_back(place);
  }
  static const linker::Completeness completeness;
  static const linker::LossModel losses;
  static const linker::ResetModel resets;
  static const linker::ClockRates rates;
  return linker::make_trace(linker::Group{std::move(records)}, path, {completeness, losses, resets, rates});
}

std::int64_t time_of(const Trace& trace, PartKind kind) {
  std::int64_t sum = 0;
  for (const Part& part : trace.parts) sum += part.kind == kind ? part.time_ns : 0;
  return sum;
}

std::int64_t sum_of(const Trace& trace) {
  std::int64_t sum = 0;
  for (const Part& part : trace.parts) sum += part.time_ns;
  return sum;
}

TEST(Trace, PartsAddUpForAnyScenario) {
  Scenario scenario;
  scenario.loss = 0.1;
  scenario.nagle = 0.2;
  scenario.server_slow = 0.2;
  scenario.client_slow = 0.2;
  scenario.site[1].missed = scenario.site[6].missed = 0.3;
  scenario.site[2].clock_ns = -9999 * kMs;
  for (const Trace& trace : analyse(scenario).traces) {
    ASSERT_FALSE(trace.parts.empty());
    EXPECT_EQ(sum_of(trace), trace.response_time_ns);
    const HopRecord& first = trace.client_end().record;
    EXPECT_EQ(trace.response_time_ns, linker::difference_ns(first.response.last_ns, first.request.first_ns));
    for (const Part& part : trace.parts) EXPECT_GE(part.time_ns, part.kind == PartKind::kSegment ? -2000 : 0);
  }
}

TEST(Trace, SplitsTimeByPlace) {
  std::vector<HopRecord> records{hop(0, 1000, 1100, 9000, 9500), hop(1, 500'200, 500'300, 507'500, 508'000)};
  records[1].request.ack_ns = 500'900;
  const Trace trace = trace_of(records);
  EXPECT_EQ(trace.response_time_ns, 8500);
  EXPECT_EQ(time_of(trace, PartKind::kClientSend), 100);
  EXPECT_EQ(time_of(trace, PartKind::kSegment), 8400 - 7700);
  EXPECT_EQ(time_of(trace, PartKind::kServerKernel), 600);
  EXPECT_EQ(time_of(trace, PartKind::kServerProcess), 6600);
  EXPECT_EQ(time_of(trace, PartKind::kServerSend), 500);
  EXPECT_EQ(trace.flags, 0u);
}

TEST(Trace, AckThatRidesOrWaitsTellsNothingOfTheKernel) {
  Trace trace = trace_of({hop(0, 1000, 1000, 60'000'000, 60'000'000)});
  EXPECT_EQ(time_of(trace, PartKind::kServerKernel), 0);
  EXPECT_TRUE(trace.flags & trace_flag::kAckOnResponse);
  HopRecord waited = hop(0, 1000, 1000, 60'000'000, 60'000'000);
  waited.request.ack_ns = 40'001'000;  // the delayed-ACK timer, while the process was at work
  trace = trace_of({waited});
  EXPECT_EQ(time_of(trace, PartKind::kServerKernel), 0);
  EXPECT_TRUE(trace.flags & trace_flag::kAckDelayed);
  EXPECT_EQ(sum_of(trace), trace.response_time_ns);
}

TEST(Trace, EarlyResponsesStillAddUp) {
  // An upload refused before it had ended: the response overtakes the request's last bytes.
  const Trace trace = trace_of({hop(0, 1000, 9000, 6000, 7000), hop(1, 1500, 9500, 5500, 6500)});
  EXPECT_EQ(sum_of(trace), 6000);
  EXPECT_TRUE(trace.flags & trace_flag::kEarlyResponse);
  for (const Part& part : trace.parts) EXPECT_GE(part.time_ns, 0);
}

TEST(Trace, DelayedAckIsNeitherTheClientsNorTheNetworks) {
  std::vector<HopRecord> records{hop(0, 0, 41 * kMs, 42 * kMs, 43 * kMs), hop(1, 10, 41 * kMs, 42 * kMs, 43 * kMs)};
  records[0].request.first_ns = records[1].request.first_ns = 1;
  records[1].request.ack_wait_ns = 40 * kMs;
  records[0].request.ack_release_ns = 20 * kUs;
  Trace trace = trace_of(records);
  EXPECT_EQ(time_of(trace, PartKind::kDelayedAck), 40 * kMs);
  EXPECT_EQ(time_of(trace, PartKind::kClientSend), kMs - 1);
  records[0].request.ack_release_ns = 30 * kMs;  // the client was not waiting for the ACK
  EXPECT_EQ(time_of(trace_of(records), PartKind::kDelayedAck), 0);
  records[0].request.ack_release_ns = 0;
  records[0].request.retransmissions = 1;  // the ACK came late for another reason
  EXPECT_EQ(time_of(trace_of(records), PartKind::kDelayedAck), 0);
  records[0].request.retransmissions = 0;
  records[1].request.ack_wait_ns = 900 * kMs;  // never more than there is
  trace = trace_of(records);
  EXPECT_EQ(time_of(trace, PartKind::kClientSend), 0);
  EXPECT_EQ(sum_of(trace), trace.response_time_ns);
}

TEST(Trace, DelayedAckInTheResponse) {
  std::vector<HopRecord> records{hop(0, 1, 1, 10, 50 * kMs), hop(1, 1, 1, 10, 50 * kMs)};
  records[0].response.ack_wait_ns = 40 * kMs;
  const Trace trace = trace_of(records);
  EXPECT_EQ(time_of(trace, PartKind::kDelayedAck), 40 * kMs);
  const auto part = std::find_if(trace.parts.begin(), trace.parts.end(),
                                 [](const Part& one) { return one.kind == PartKind::kDelayedAck; });
  EXPECT_EQ(part->from, 1u);
  EXPECT_EQ(part->to, 0u);
  EXPECT_EQ(trace.parts.back().kind, PartKind::kServerSend);
}

TEST(Trace, OnlyLikeSightingsAreTimed) {
  std::vector<HopRecord> records{hop(0, 1, 1, 9, 9), hop(1, 2, 2, 8, 8), hop(2, 3, 3, 0, 0), hop(3, 4, 4, 6, 6)};
  records[1].response.bytes = 77;  // other bounds
  Trace trace = trace_of(records);
  EXPECT_EQ(trace.hops.size(), 4u);
  EXPECT_FALSE(trace.hops[1].timed);
  EXPECT_FALSE(trace.hops[2].timed);
  EXPECT_EQ(std::count_if(trace.parts.begin(), trace.parts.end(),
                          [](const Part& part) { return part.kind == PartKind::kSegment; }),
            1);
  trace = trace_of({hop(0, 5, 5, 0, 0)});
  EXPECT_TRUE(trace.parts.empty());
  EXPECT_EQ(trace.flags, trace_flag::kUnanswered);
}

TEST(Trace, KnowsWhetherItEndsAtTheServer) {
  HopRecord near = hop(0, 1, 1, 9, 9), far = hop(1, 2, 2, 8, 8);
  EXPECT_EQ(trace_of({near, far}, "pod").far_end, FarEnd::kServer);
  EXPECT_EQ(trace_of({near, far}, "node").far_end, FarEnd::kUnknown);
  far.response.ttl = 63;
  EXPECT_EQ(trace_of({near, far}, "pod").far_end, FarEnd::kBeyond);
  near.request.ttl = near.response.ttl = 64;
  EXPECT_EQ(trace_of({near}, "pod").far_end, FarEnd::kUnknown) << "may be the client's pod";
  near.request.ttl = 61;
  EXPECT_EQ(trace_of({near}, "pod").far_end, FarEnd::kServer);
}

MessageRecord copied(std::vector<std::uint32_t> tsvals) {
  MessageRecord message;
  message.tsval = tsvals.front();
  message.copies = static_cast<std::uint8_t>(tsvals.size() - 1);
  message.retransmissions = message.copies;
  for (std::size_t at = 1; at < tsvals.size(); ++at) message.copy[at - 1].tsval = tsvals[at];
  return message;
}

/// "seen places, places that saw a later copy only", by copy.
std::vector<std::string> resent(const std::vector<MessageRecord>& messages) {
  std::vector<const MessageRecord*> along;
  for (const MessageRecord& message : messages) along.push_back(message.tsval == UINT32_MAX ? nullptr : &message);
  std::vector<std::string> texts;
  const auto text_of = [&](linker::Places places) {
    std::string text;
    for (std::size_t place = 0; place < along.size(); ++place) text += linker::has_place(places, place) ? '1' : '0';
    return text;
  };
  for (const linker::ResentCopy& copy : linker::resent_copies(along))
    texts.push_back(text_of(copy.seen) + " " + text_of(copy.saw_later) + (copy.of_first_byte ? "" : " counted"));
  return texts;
}

TEST(Copies, AreToldApartByName) {
  using Texts = std::vector<std::string>;
  const MessageRecord unseen = copied({UINT32_MAX});
  EXPECT_EQ(resent({copied({1, 2}), copied({1, 2}), copied({2})}), (Texts{"110 001"}));
  EXPECT_EQ(resent({copied({1, 2, 3}), copied({2, 3}), copied({3})}), (Texts{"100 011", "110 001"}));
  EXPECT_EQ(resent({copied({1, 2}), copied({2}), copied({1, 2})}), (Texts{"101 010"})) << "a capture missed it";
  EXPECT_EQ(resent({copied({2}), copied({1, 2})}), (Texts{"01 10"})) << "the first place missed it";
  EXPECT_EQ(resent({copied({1, 2}), unseen, copied({2})}), (Texts{"100 001"}));
  EXPECT_EQ(resent({copied({1})}), Texts{});
  EXPECT_EQ(resent({copied({0, 0}), copied({0})}), (Texts{"10 01 counted"})) << "by number, without names";
  EXPECT_EQ(resent({copied({0xfffffffe, 3}), copied({3})}), (Texts{"10 01"})) << "across the wrap of the name";
}

TEST(Copies, OfTheRestOfAMessageShowAsRepeats) {
  MessageRecord near = copied({1}), far = copied({1});
  near.retransmissions = 2;
  near.last_copy_ns = 200 * kMs;
  far.last_ns = 200 * kMs;
  EXPECT_EQ(resent({near, near, far}), (std::vector<std::string>{"110 001 counted", "110 001 counted"}));
  far.last_ns = 0;
  EXPECT_EQ(resent({near, near, far}), (std::vector<std::string>{"111 000 counted", "111 000 counted"}))
      << "it did not wait for the repeats, which came when the exchange had ended";
  far.out_of_order = 2;
  EXPECT_EQ(resent({near, near, far}), (std::vector<std::string>{"110 001 counted", "110 001 counted"}))
      << "they filled holes";
  far.out_of_order = 1;
  EXPECT_EQ(resent({near, near, far}), (std::vector<std::string>{"110 001 counted", "111 000 counted"}));
}

TEST(Trace, AWholeCaptureTellsWhatACutOneDoesNot) {
  linker::Trace trace;
  trace.hops.resize(3);
  HopRecord &first = trace.hops[0].record, &cut = trace.hops[1].record, &whole = trace.hops[2].record;
  first.protocol = "opaque";
  cut.method = whole.method = "GET";
  cut.resource = "/or";
  whole.resource = "/orders";
  EXPECT_EQ(&trace.telling_hop(), &trace.hops[0]) << "nothing was cut: it is what it is";
  first.flags = cut.flags = flowtable::record_flag::kTruncated;
  EXPECT_EQ(&trace.telling_hop(), &trace.hops[2]);
  trace.hops.resize(1);
  EXPECT_EQ(&trace.telling_hop(), &trace.hops[0]);
}

}  // namespace
}  // namespace hoptap::test
