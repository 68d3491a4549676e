// From spool to sink over a real connection: in order, once, whatever ends in between.
#include "tests/transport/raw_stream.h"
#include "tests/transport/rig.h"

namespace hoptap::exporting {
namespace {

/// All batches 1 to `last` with the right bytes.
void expect_all(const MemorySink& sink, std::uint64_t last, std::size_t bytes = 100) {
  EXPECT_FALSE(sink.misused());
  const auto batches = sink.batches();
  ASSERT_EQ(batches.size(), last);
  for (const auto& [sequence, payload] : batches) EXPECT_EQ(payload, payload_of(sequence, bytes)) << sequence;
}

std::uint64_t ended(const CollectorCounters& counters, StreamEndReason reason) {
  return counters.streams_ended[static_cast<std::size_t>(reason)];
}

TEST(Delivery, TakesWhatWaitsAndWhatComes) {
  const Folder folder;
  MemorySink sink;
  const auto server = serve(sink);
  const auto spool = open_spool(folder);
  append(*spool, 100);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  append(*spool, 100);
  ASSERT_TRUE(sender->drain(kLong));
  const SenderStatus status = sender->status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.error, "");
  EXPECT_EQ(status.acknowledged, 200u);
  EXPECT_EQ(status.in_flight, 0u);
  EXPECT_EQ(status.sent_batches, 200u);
  EXPECT_EQ(status.sent_bytes, 20'000u);
  EXPECT_EQ(status.attempts, 1u);
  EXPECT_GE(200u, status.acks);
  sender->stop();
  server->stop();
  expect_all(sink, 200);
  const ProbeHello hello = sink.hellos().at(0);
  EXPECT_EQ(hello.probe, "probe-a");
  EXPECT_EQ(hello.instance, spool->instance());
  EXPECT_EQ(hello.software, "hoptap test");
  EXPECT_EQ(hello.peer.rfind("127.0.0.1:", 0), 0u) << hello.peer;
  EXPECT_EQ(server->counters().batches_stored, 200u);
  EXPECT_EQ(server->counters().records_stored, 2000u);
  EXPECT_EQ(server->counters().streams, 0u);
  EXPECT_EQ(server->counters().probes, 0u);
  EXPECT_EQ(ended(server->counters(), StreamEndReason::kClosed), 1u);
}

TEST(Delivery, OnceThoughTheTracerRestarts) {
  const Folder folder;
  MemorySink sink;
  CollectorConfig config;
  config.listen = "127.0.0.1:0";
  auto server = serve(sink, config);
  config.listen = address_of(*server);
  const auto spool = open_spool(folder);
  const auto sender = send(*spool, sender_config(config.listen));
  for (std::size_t round = 1; round <= 5; ++round) {
    append(*spool, 50);
    ASSERT_TRUE(sink.wait_for(round * 50 - 25));
    server->stop();
    append(*spool, 50);
    server = serve(sink, config);
    ASSERT_NE(server, nullptr);
    ASSERT_TRUE(sender->drain(kLong)) << sender->status().error;
    ASSERT_TRUE(sink.wait_for(round * 100));
  }
  sender->stop();
  server->stop();
  expect_all(sink, 500);
  EXPECT_GE(sender->status().connections, 6u);
}

TEST(Delivery, OnceThoughTheProbeRestarts) {
  const Folder folder;
  MemorySink sink;
  const auto server = serve(sink);
  for (std::size_t round = 1; round <= 10; ++round) {
    const auto spool = open_spool(folder);
    append(*spool, 40);
    const auto sender = send(*spool, sender_config(address_of(*server)));
    ASSERT_TRUE(sink.wait_for((round - 1) * 40 + 1));
  }
  const auto spool = open_spool(folder);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  expect_all(sink, 400);
}

TEST(Delivery, AcknowledgementsThatWereLostAreMadeUpFor) {
  const Folder folder;
  MemorySink sink;
  const auto server = serve(sink);
  const auto spool = open_spool(folder);
  append(*spool, 3);
  {
    RawStream stream(address_of(*server));
    ASSERT_EQ(greet(stream, spool->instance()), 0u);
    for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
      ASSERT_TRUE(stream.write(batch_message(sequence, payload_of(sequence))));
    }
    ASSERT_TRUE(sink.wait_for(3));
  }
  append(*spool, 1);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_EQ(sender->status().sent_batches, 1u);
  expect_all(sink, 4);
}

TEST(Delivery, WhatIsStoredAlreadyIsAcknowledgedAndCounted) {
  MemorySink sink;
  const auto server = serve(sink);
  {
    RawStream stream(address_of(*server));
    ASSERT_EQ(greet(stream), 0u);
    for (const std::uint64_t sequence : {1u, 2u, 5u}) {
      ASSERT_TRUE(stream.write(batch_message(sequence)));
      ASSERT_EQ(stream.read()->ack().acknowledged(), sequence);
    }
    stream.half_close();
    EXPECT_TRUE(stream.finish().ok());
  }
  RawStream stream(address_of(*server));
  ASSERT_EQ(greet(stream), 5u);
  ASSERT_TRUE(stream.write(batch_message(4)));
  EXPECT_EQ(stream.read()->ack().acknowledged(), 5u);
  ASSERT_TRUE(stream.write(batch_message(6)));
  EXPECT_EQ(stream.read()->ack().acknowledged(), 6u);
  EXPECT_EQ(server->counters().duplicates, 1u);
  EXPECT_EQ(server->counters().gaps, 2u);
  EXPECT_EQ(sink.count(), 4u);
}

TEST(Delivery, AcknowledgesOnlyWhatIsDurable) {
  const Folder folder;
  MemorySink sink;
  sink.hold();
  CollectorConfig config;
  config.batches_in_flight_max = 8;
  const auto server = serve(sink, config);
  const auto spool = open_spool(folder);
  append(*spool, 20);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(eventually([&] { return sink.held() == 8; }));
  EXPECT_EQ(sender->status().in_flight, 8u);
  EXPECT_EQ(sender->status().acknowledged, 0u);
  EXPECT_EQ(spool->counters().waiting_batches, 20u);
  sink.release();
  ASSERT_TRUE(sender->drain(kLong));
  expect_all(sink, 20);
}

TEST(Delivery, ASilentTracerIsLeftAndTriedAgain) {
  const Folder folder;
  MemorySink sink;
  sink.hold();
  const auto server = serve(sink);
  const auto spool = open_spool(folder);
  append(*spool, 2);
  SenderConfig config = sender_config(address_of(*server));
  config.ack_timeout = std::chrono::milliseconds(50);
  const auto sender = send(*spool, config);
  EXPECT_TRUE(says(*sender, "acknowledges nothing"));
  sink.release();
  ASSERT_TRUE(sender->drain(kLong));
  sender->stop();
  server->stop();
  expect_all(sink, 2);
}

TEST(Delivery, ABatchThatCannotBeStoredIsDroppedAndTheOthersArrive) {
  const Folder folder;
  MemorySink sink;
  sink.answer(7, StoreResult{StoreOutcome::kMalformed, "no record in it"});
  const auto server = serve(sink);
  const auto spool = open_spool(folder);
  append(*spool, 20);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_NE(sender->status().error.find("no record in it"), std::string::npos) << sender->status().error;
  EXPECT_EQ(spool->counters().refused_batches + spool->counters().acknowledged_batches, 20u);
  EXPECT_EQ(sink.count(), 19u);
  EXPECT_FALSE(sink.batches().contains(7));
  sender->stop();
  server->stop();
  EXPECT_EQ(ended(server->counters(), StreamEndReason::kBadBatch), 1u);
}

TEST(Delivery, WhileTheTracersDiskIsFullTheProbeKeepsAll) {
  const Folder folder;
  MemorySink sink;
  sink.answer(3, StoreResult{StoreOutcome::kUnavailable, "the tracer's disk is full"});
  const auto server = serve(sink);
  const auto spool = open_spool(folder);
  append(*spool, 10);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  EXPECT_TRUE(says(*sender, "the tracer's disk is full"));
  EXPECT_TRUE(eventually([&] { return spool->counters().waiting_batches == 8; }));
  sink.answer(3, std::nullopt);
  ASSERT_TRUE(sender->drain(kLong));
  expect_all(sink, 10);
}

TEST(Delivery, WhatTheTracerHasNoRoomForIsDroppedHere) {
  const Folder folder;
  MemorySink sink;
  CollectorConfig config;
  config.batch_bytes_max = 1000;
  const auto server = serve(sink, config);
  const auto spool = open_spool(folder);
  append(*spool, 1);
  append(*spool, 1, 1001);
  append(*spool, 1, 1000);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_NE(sender->status().error.find("1001 bytes"), std::string::npos) << sender->status().error;
  EXPECT_EQ(sink.count(), 2u);
  EXPECT_EQ(spool->counters().refused_batches, 1u);
}

TEST(Delivery, IsPlainForATracerThatCannotDecompress) {
  const Folder folder;
  MemorySink sink;
  CollectorConfig config;
  config.codings = {"identity"};
  const auto server = serve(sink, config);
  const auto spool = open_spool(folder);
  append(*spool, 3);
  SenderConfig from = sender_config(address_of(*server));
  from.decompress = [](std::string_view coded) -> base::Outcome<std::string> {
    if (coded.find("batch 2") != std::string_view::npos) return tl::unexpected(base::Failure{"no zstd in batch 2"});
    return "plain " + std::string(coded);
  };
  const auto sender = send(*spool, from);
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_EQ(sink.batches().at(3), "plain " + payload_of(3));
  EXPECT_EQ(sink.count(), 2u);
  EXPECT_NE(sender->status().error.find("no zstd in batch 2"), std::string::npos);
}

TEST(Delivery, ASecondConnectionOfASpoolEndsTheFirst) {
  MemorySink sink;
  const auto server = serve(sink);
  RawStream first(address_of(*server));
  ASSERT_EQ(greet(first), 0u);
  sink.hold();
  ASSERT_TRUE(first.write(batch_message(1)));
  ASSERT_TRUE(eventually([&] { return sink.held() == 1; }));
  RawStream second(address_of(*server));
  ASSERT_TRUE(second.write(hello_message()));
  ASSERT_TRUE(eventually([&] { return server->counters().streams == 2; }));
  sink.release();  // only now may the second be welcomed: it must hear of batch 1
  const auto welcome = second.read();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->welcome().acknowledged(), 1u);
  while (first.read()) continue;
  EXPECT_EQ(first.finish().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_FALSE(sink.misused());
}

TEST(Delivery, TheTracerStopsWithWhatIsDurableAcknowledged) {
  MemorySink sink;
  const auto server = serve(sink);
  RawStream stream(address_of(*server));
  ASSERT_EQ(greet(stream), 0u);
  sink.hold();
  ASSERT_TRUE(stream.write(batch_message(1)));
  ASSERT_TRUE(eventually([&] { return sink.held() == 1; }));
  std::thread stopping([&] { server->stop(); });
  sink.release();
  EXPECT_EQ(stream.read()->ack().acknowledged(), 1u);
  EXPECT_FALSE(stream.read());
  const grpc::Status status = stream.finish();
  stopping.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(stream.trailer("hoptap-reason"), "stopping");
  EXPECT_EQ(sink.goodbyes(), 1u);
}

TEST(Delivery, TheTracerStopsThoughTheSinkNeverAnswers) {
  MemorySink sink;
  CollectorConfig config;
  config.stop_timeout = std::chrono::milliseconds(20);
  const auto server = serve(sink, config);
  RawStream stream(address_of(*server));
  ASSERT_EQ(greet(stream), 0u);
  sink.hold();
  ASSERT_TRUE(stream.write(batch_message(1)));
  ASSERT_TRUE(eventually([&] { return sink.held() == 1; }));
  server->stop();
  EXPECT_EQ(sink.goodbyes(), 1u);
  sink.release();  // too late, and harmless
}

TEST(Delivery, AHundredIdleProbesHoldUpNobody) {
  const Folder folder;
  MemorySink sink;
  const auto server = serve(sink);
  std::vector<std::unique_ptr<RawStream>> idle;
  for (int at = 0; at < 100; ++at) {
    std::string instance(16, static_cast<char>(at));
    idle.push_back(std::make_unique<RawStream>(address_of(*server)));
    ASSERT_EQ(greet(*idle.back(), instance), 0u);
  }
  const auto spool = open_spool(folder);
  append(*spool, 200);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_EQ(server->counters().probes, 101u);
  expect_all(sink, 200);
}

TEST(Delivery, IsSlowedByALimitOfRateAndNotRefused) {
  const Folder folder;
  MemorySink sink;
  CollectorConfig config;
  config.batches_per_second_max = 100;
  config.bytes_per_second_max = 100'000'000;
  const auto server = serve(sink, config);
  const auto spool = open_spool(folder);
  append(*spool, 130);
  const auto sender = send(*spool, sender_config(address_of(*server)));
  ASSERT_TRUE(sender->drain(kLong));
  EXPECT_GT(server->counters().times_slowed, 0u);
  EXPECT_EQ(sender->status().connections, 1u);
  expect_all(sink, 130);
}

}  // namespace
}  // namespace hoptap::exporting
