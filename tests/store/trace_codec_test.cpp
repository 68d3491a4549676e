#include "export/trace_codec.h"

#include <gtest/gtest.h>

#include "demo_run.h"
#include "export/json.h"
#include "export/text.h"

namespace hoptap {
namespace {

using exporting::JudgedTrace;

const testing::DemoRun& demo() {
  static const testing::DemoRun run = testing::demo_run();
  return run;
}

std::vector<std::uint8_t> bytes_of(const JudgedTrace& judged) {
  std::vector<std::uint8_t> bytes;
  exporting::encode(judged.trace, judged.judgement, bytes);
  return bytes;
}

TEST(TraceCodec, RealTracesComeBackExactly) {
  ASSERT_GT(demo().traces.size(), 50u);
  for (const JudgedTrace& judged : demo().traces) {
    const std::vector<std::uint8_t> bytes = bytes_of(judged);
    const auto back = exporting::decode_trace(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(exporting::trace_json(back->trace, back->judgement.verdict),
              exporting::trace_json(judged.trace, judged.judgement.verdict));
    EXPECT_EQ(exporting::draw_trace(back->trace, back->judgement, {120, true, true}),
              exporting::draw_trace(judged.trace, judged.judgement, {120, true, true}));
    EXPECT_EQ(bytes_of(*back), bytes) << "a second round must change nothing";
  }
}

/// What JSON and drawing do not show: another run over decoded traces must find the same.
TEST(TraceCodec, TheRunsVerdictOverDecodedTracesIsTheSame) {
  linker::RunJudge judge;
  for (const JudgedTrace& judged : demo().traces) {
    const auto back = exporting::decode_trace(bytes_of(judged));
    ASSERT_TRUE(back);
    judge.add(back->trace, back->judgement);
  }
  EXPECT_EQ(exporting::verdict_json(judge.finish()), exporting::verdict_json(demo().verdict));
}

JudgedTrace made_up() {
  JudgedTrace judged;
  judged.trace.id = 0xffffffffffffffff;
  judged.trace.hops.resize(2);
  judged.trace.hops[1].point = "tor/1";
  judged.trace.hops[1].node = {7, 2};
  judged.trace.hops[1].rate = 0.99995;
  judged.trace.stops.resize(3);
  judged.trace.stops[0].hop = 0;
  judged.trace.stops[2].hop = 1;
  judged.trace.losses.push_back({linker::Lost::kResponseAck, 1, 1.0 / 3});
  judged.trace.parts.push_back({linker::PartKind::kSegment, 0, 1, -1234, 1, 2});
  judged.trace.reset = {linker::ResetBy::kMiddlebox, 1, 0.25};
  judged.trace.missing.push_back({{1, 2}, "gone", ""});
  judged.judgement.blames.resize(1);
  judged.judgement.blames[0].certainty = 0.1;
  judged.judgement.main_segment = 1;
  judged.judgement.verdict.text = std::string("a\0b", 3);
  return judged;
}

TEST(TraceCodec, KeepsWhatRealTracesDoNotHold) {
  const JudgedTrace judged = made_up();
  const auto back = exporting::decode_trace(bytes_of(judged));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->trace.id, judged.trace.id);
  EXPECT_EQ(back->trace.hops[1].node, judged.trace.hops[1].node);
  EXPECT_EQ(back->trace.hops[1].rate, 0.99995);
  EXPECT_EQ(back->trace.stops[1].hop, linker::Stop::kMissing);
  EXPECT_EQ(back->trace.losses[0].probability, 1.0 / 3);
  EXPECT_EQ(back->trace.parts[0].time_ns, -1234);
  EXPECT_EQ(back->trace.reset.by, linker::ResetBy::kMiddlebox);
  EXPECT_EQ(back->judgement.blames[0].certainty, 0.1);
  EXPECT_EQ(back->judgement.verdict.text.size(), 3u);
}

TEST(TraceCodec, RefusesWhatIsCutLongOrOfAnotherVersion) {
  std::vector<std::uint8_t> bytes = bytes_of(made_up());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(exporting::decode_trace(base::Bytes(bytes).first(size))) << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(exporting::decode_trace(bytes).error(), base::Error::kBadLength);
  bytes.pop_back();
  bytes[0] = 99;
  EXPECT_EQ(exporting::decode_trace(bytes).error(), base::Error::kBadVersion);
}

TEST(TraceCodec, RefusesIndexesThatPointNowhere) {
  const auto refused = [](auto&& spoil) {
    JudgedTrace judged = made_up();
    spoil(judged.trace);
    return !exporting::decode_trace(bytes_of(judged));
  };
  EXPECT_TRUE(refused([](linker::Trace& trace) { trace.parts[0].to = 2; }));
  EXPECT_TRUE(refused([](linker::Trace& trace) { trace.stops[0].hop = 2; }));
  EXPECT_TRUE(refused([](linker::Trace& trace) { trace.losses[0].from = 2; }));
  EXPECT_TRUE(refused([](linker::Trace& trace) { trace.reset.from = 2; }));
  EXPECT_TRUE(refused([](linker::Trace& trace) { trace.parts[0].kind = static_cast<linker::PartKind>(99); }));
  EXPECT_FALSE(refused([](linker::Trace&) {}));
}

TEST(TraceCodec, SurvivesAnyByteChanged) {
  const std::vector<std::uint8_t> good = bytes_of(demo().traces.front());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::vector<std::uint8_t> bytes = good;
    bytes[at] ^= 0xff;
    const auto back = exporting::decode_trace(bytes);
    EXPECT_TRUE(!back || !exporting::trace_json(back->trace, back->judgement.verdict).empty());
  }
}

TEST(RunVerdictCodec, ComesBackExactly) {
  linker::RunVerdict verdict = demo().verdict;
  ASSERT_FALSE(verdict.text.empty());
  verdict.shared_by = linker::SharedBy{"client", "10.0.0.1", 1, 0.5};
  verdict.inside = {"a", "b"};
  std::vector<std::uint8_t> bytes;
  exporting::encode(verdict, bytes);
  const auto back = exporting::decode_run_verdict(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(exporting::verdict_json(*back), exporting::verdict_json(verdict));
  bytes.pop_back();
  EXPECT_FALSE(exporting::decode_run_verdict(bytes));
}

TEST(SketchCodec, ComesBackExactly) {
  base::Sketch sketch;
  for (const std::int64_t value : {0, 50, 1000, 5'000'000, 5'000'001}) sketch.add(value);
  std::vector<std::uint8_t> bytes;
  exporting::encode(sketch, bytes);
  const auto back = exporting::decode_sketch(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->count(), 5u);
  for (const double q : {0.0, 0.5, 0.9, 1.0}) EXPECT_EQ(back->quantile_ns(q), sketch.quantile_ns(q));
  EXPECT_FALSE(exporting::decode_sketch(base::Bytes(bytes).first(bytes.size() - 1)));
}

}  // namespace
}  // namespace hoptap
