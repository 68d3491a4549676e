// The protocol without a network: what each message does, in each state.
#include "export/transport/collector_stream.h"

#include "tests/transport/raw_stream.h"
#include "tests/transport/rig.h"

namespace hoptap::exporting {
namespace {

class Stream : public testing::Test {
 protected:
  CollectorStream::Step take(v1::FromProbe message) { return stream_.take(std::move(message)); }
  void open(std::uint64_t last = 0) {
    ASSERT_TRUE(std::holds_alternative<CollectorStream::AskWelcome>(take(hello_message())));
    stream_.welcomed(last);
    v1::FromTracer reply;
    ASSERT_TRUE(stream_.reply(reply));
    ASSERT_EQ(reply.welcome().acknowledged(), last);
  }
  bool stores(std::uint64_t sequence) {
    return std::holds_alternative<CollectorStream::Store>(take(batch_message(sequence)));
  }
  /// The number in the next acknowledgement, 0 when there is none.
  std::uint64_t ack() {
    v1::FromTracer reply;
    return stream_.reply(reply) ? reply.ack().acknowledged() : 0;
  }
  void expect_end(StreamEndReason reason, const std::string& words) {
    ASSERT_TRUE(stream_.ended());
    EXPECT_EQ(name(stream_.ended()->reason), name(reason));
    EXPECT_NE(stream_.ended()->words.find(words), std::string::npos) << stream_.ended()->words;
    EXPECT_FALSE(stream_.wants_more());
  }

  CollectorConfig config_{.batch_bytes_max = 1000, .batches_in_flight_max = 3};
  CollectorTally tally_;
  CollectorStream stream_{config_, tally_};
};

TEST_F(Stream, WelcomeSaysTheLimits) {
  take(hello_message());
  EXPECT_FALSE(stream_.wants_more());
  stream_.welcomed(41);
  EXPECT_TRUE(stream_.wants_more());
  v1::FromTracer reply;
  ASSERT_TRUE(stream_.reply(reply));
  EXPECT_EQ(reply.welcome().protocol(), 1u);
  EXPECT_EQ(reply.welcome().acknowledged(), 41u);
  EXPECT_EQ(reply.welcome().batch_bytes_max(), 1000u);
  EXPECT_EQ(reply.welcome().batches_in_flight_max(), 3u);
  EXPECT_EQ(reply.welcome().codings_size(), 2);
}

TEST_F(Stream, OneAcknowledgementCoversAllThatIsStoredInOrder) {
  open();
  EXPECT_TRUE(stores(1) && stores(2));
  EXPECT_TRUE(stream_.wants_more());
  EXPECT_TRUE(stores(9));
  EXPECT_FALSE(stream_.wants_more());  // three in flight
  stream_.stored(9, {});
  stream_.stored(2, {});
  EXPECT_EQ(ack(), 0u);
  stream_.stored(1, {});
  EXPECT_EQ(ack(), 9u);
  EXPECT_EQ(ack(), 0u);
  EXPECT_TRUE(stream_.wants_more());
  EXPECT_EQ(tally_.gaps, 6u);
}

TEST_F(Stream, AnAnswerTwiceOrOfNothingChangesNothing) {
  open();
  EXPECT_TRUE(stores(1) && stores(2));
  stream_.stored(5, {});
  stream_.stored(2, {});
  stream_.stored(2, {});
  EXPECT_EQ(stream_.being_stored(), 1u);
  EXPECT_EQ(tally_.batches_stored, 1u);
}

TEST_F(Stream, NothingAfterAFailureIsAcknowledged) {
  open();
  EXPECT_TRUE(stores(1) && stores(2) && stores(3));
  stream_.stored(2, {StoreOutcome::kUnavailable, "the disk is full"});
  stream_.stored(3, {});
  stream_.stored(1, {});
  EXPECT_EQ(ack(), 1u);
  expect_end(StreamEndReason::kUnavailable, "batch 2: the disk is full");
  EXPECT_EQ(stream_.ended()->refused_batch, 0u);
}

TEST_F(Stream, AMalformedBatchIsNamed) {
  open();
  EXPECT_TRUE(stores(1));
  stream_.stored(1, {StoreOutcome::kMalformed, "no record"});
  expect_end(StreamEndReason::kBadBatch, "no record");
  EXPECT_EQ(stream_.ended()->refused_batch, 1u);
  EXPECT_EQ(stream_.acknowledged(), 0u);
}

TEST_F(Stream, RefusesABatchBeforeHello) {
  EXPECT_FALSE(stores(1));
  expect_end(StreamEndReason::kNoHello, "before Hello");
}

TEST_F(Stream, RefusesABatchBeforeWelcome) {
  take(hello_message());
  EXPECT_FALSE(stores(1));
  expect_end(StreamEndReason::kNoHello, "before Hello and Welcome");
}

TEST_F(Stream, RefusesASecondHello) {
  open();
  take(hello_message());
  expect_end(StreamEndReason::kBadHello, "second Hello");
}

TEST_F(Stream, RefusesAMessageThatSaysNothing) {
  take({});
  expect_end(StreamEndReason::kMalformed, "neither Hello nor Batch");
}

TEST_F(Stream, PassesOverFieldsItDoesNotKnow) {
  std::string bytes = hello_message().SerializeAsString();
  bytes += std::string("\xf8\x07\x05", 3);  // field 127, a number
  v1::FromProbe message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_TRUE(std::holds_alternative<CollectorStream::AskWelcome>(take(message)));
}

TEST_F(Stream, RefusesNumbersThatDoNotAscend) {
  open(10);
  EXPECT_FALSE(stores(10));  // a duplicate, and fine
  EXPECT_FALSE(stream_.ended());
  EXPECT_TRUE(stores(11));
  EXPECT_FALSE(stores(11));
  expect_end(StreamEndReason::kBadSequence, "batch 11 after batch 11");
}

TEST_F(Stream, RefusesNumbersThatNoBatchHas) {
  open();
  EXPECT_FALSE(stores(0));
  expect_end(StreamEndReason::kBadSequence, "batch 0");
}

TEST_F(Stream, RefusesNumbersOutOfThisWorld) {
  open();
  EXPECT_FALSE(stores(~0ull));
  expect_end(StreamEndReason::kBadSequence, "must ascend");
}

TEST_F(Stream, RefusesWhatIsTooLarge) {
  open();
  take(batch_message(1, std::string(1000, 'x')));
  EXPECT_FALSE(stream_.ended());
  take(batch_message(2, std::string(1001, 'x')));
  expect_end(StreamEndReason::kOversize, "1001 bytes, this tracer takes at most 1000");
  EXPECT_EQ(stream_.ended()->refused_batch, 2u);
}

TEST_F(Stream, RefusesACodingItCannotRead) {
  open();
  take(batch_message(1, "x", "brotli"));
  expect_end(StreamEndReason::kBadCoding, "zstd, identity");
}

TEST_F(Stream, TheSinkMayRefuse) {
  take(hello_message());
  stream_.welcomed(tl::unexpected(base::Failure{"the name is taken"}));
  expect_end(StreamEndReason::kRefused, "the name is taken");
  v1::FromTracer reply;
  EXPECT_FALSE(stream_.reply(reply));
}

struct BadHello {
  const char* what;
  void (*change)(v1::Hello&);
  StreamEndReason reason;
};
class HelloTest : public testing::TestWithParam<BadHello> {};

TEST_P(HelloTest, IsRefused) {
  const CollectorConfig config;
  CollectorTally tally;
  CollectorStream stream(config, tally);
  v1::FromProbe message = hello_message();
  GetParam().change(*message.mutable_hello());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(stream.take(std::move(message))));
  ASSERT_TRUE(stream.ended()) << GetParam().what;
  EXPECT_EQ(name(stream.ended()->reason), name(GetParam().reason));
  EXPECT_FALSE(stream.ended()->words.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Bad, HelloTest,
    testing::Values(
        BadHello{"no protocol", [](v1::Hello& h) { h.clear_protocol(); }, StreamEndReason::kProtocol},
        BadHello{"a newer protocol", [](v1::Hello& h) { h.set_protocol(2); }, StreamEndReason::kProtocol},
        BadHello{"no name", [](v1::Hello& h) { h.clear_probe(); }, StreamEndReason::kBadHello},
        BadHello{"a long name", [](v1::Hello& h) { h.set_probe(std::string(129, 'n')); }, StreamEndReason::kBadHello},
        BadHello{"a name with a line", [](v1::Hello& h) { h.set_probe("a\nb"); }, StreamEndReason::kBadHello},
        BadHello{"a short instance", [](v1::Hello& h) { h.set_instance("123"); }, StreamEndReason::kBadHello},
        BadHello{"a long software", [](v1::Hello& h) { h.set_software(std::string(129, 's')); },
                 StreamEndReason::kBadHello},
        BadHello{"no coding", [](v1::Hello& h) { h.clear_codings(); }, StreamEndReason::kBadCoding},
        BadHello{"another coding", [](v1::Hello& h) { h.set_codings(0, "brotli"); }, StreamEndReason::kBadCoding},
        BadHello{"many codings",
                 [](v1::Hello& h) {
                   for (int at = 0; at < 16; ++at) h.add_codings("zstd");
                 },
                 StreamEndReason::kBadHello}));

}  // namespace
}  // namespace hoptap::exporting
