// Clients that misbehave: refused in words, counted, and nobody else is disturbed.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/transport/raw_stream.h"
#include "tests/transport/rig.h"

namespace hoptap::exporting {
namespace {

class Hostile : public testing::Test {
 protected:
  void SetUp() override {
    config_.batch_bytes_max = 1u << 20;
    config_.streams_max = 4;
    server_ = serve(sink_, config_);
    spool_ = open_spool(folder_);
    sender_ = send(*spool_, sender_config(address_of(*server_)));
    append(*spool_, 1);
    ASSERT_TRUE(sender_->drain(kLong));
  }
  /// The probe beside it goes on with the connection that it had.
  void TearDown() override {
    append(*spool_, 10);
    EXPECT_TRUE(sender_->drain(kLong));
    EXPECT_EQ(sender_->status().connections, 1u);
    EXPECT_EQ(sender_->status().error, "");
    EXPECT_FALSE(sink_.misused());
  }
  std::uint64_t ended_by(StreamEndReason reason) {
    const auto count = [&] { return server_->counters().streams_ended[static_cast<std::size_t>(reason)]; };
    EXPECT_TRUE(eventually([&] { return count() > 0; })) << name(reason);
    return count();
  }
  void expect_refused(RawStream& stream, grpc::StatusCode code, const std::string& words, StreamEndReason reason) {
    while (stream.read()) continue;
    const grpc::Status status = stream.finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_NE(status.error_message().find(words), std::string::npos) << status.error_message();
    EXPECT_EQ(stream.trailer("hoptap-reason"), name(reason));
    EXPECT_EQ(ended_by(reason), 1u);
  }
  int connect_plainly() const {
    const int file = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_port = htons(server_->port());
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(file, reinterpret_cast<const sockaddr*>(&target), sizeof target), 0);
    return file;
  }

  CollectorConfig config_;
  MemorySink sink_;
  Folder folder_;
  std::unique_ptr<CollectorServer> server_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Sender> sender_;
};

/// Those that say nothing, to a server that does not wait for long.
class Silent : public Hostile {
 protected:
  Silent() { config_.hello_timeout = config_.handshake_timeout = std::chrono::seconds(1); }
};

TEST_F(Hostile, BytesThatAreNoMessage) {
  RawStream stream(address_of(*server_));
  stream.write(std::string("\xff\xff\xff\xff garbage"));
  expect_refused(stream, grpc::StatusCode::INVALID_ARGUMENT, "no message", StreamEndReason::kMalformed);
}

TEST_F(Hostile, BytesThatAreNoMessageAfterHello) {
  RawStream stream(address_of(*server_));
  ASSERT_TRUE(greet(stream));
  stream.write(std::string("\x12\xff\xff\x03 cut"));
  expect_refused(stream, grpc::StatusCode::INVALID_ARGUMENT, "no message", StreamEndReason::kMalformed);
}

TEST_F(Hostile, ABatchBeforeHello) {
  RawStream stream(address_of(*server_));
  stream.write(batch_message(1));
  expect_refused(stream, grpc::StatusCode::FAILED_PRECONDITION, "before Hello", StreamEndReason::kNoHello);
}

TEST_F(Hostile, HelloTwice) {
  RawStream stream(address_of(*server_));
  ASSERT_TRUE(greet(stream));
  stream.write(hello_message());
  expect_refused(stream, grpc::StatusCode::INVALID_ARGUMENT, "second Hello", StreamEndReason::kBadHello);
}

TEST_F(Silent, NoHello) {
  RawStream stream(address_of(*server_));
  expect_refused(stream, grpc::StatusCode::FAILED_PRECONDITION, "no Hello in time", StreamEndReason::kNoHello);
}

TEST_F(Hostile, ClosedBeforeHello) {
  RawStream stream(address_of(*server_));
  stream.half_close();
  expect_refused(stream, grpc::StatusCode::FAILED_PRECONDITION, "closed before Hello", StreamEndReason::kNoHello);
}

TEST_F(Hostile, NumbersBackwards) {
  RawStream stream(address_of(*server_));
  ASSERT_TRUE(greet(stream));
  stream.write(batch_message(5));
  stream.write(batch_message(4));
  expect_refused(stream, grpc::StatusCode::INVALID_ARGUMENT, "must ascend", StreamEndReason::kBadSequence);
}

TEST_F(Hostile, ABatchSomewhatTooLarge) {
  RawStream stream(address_of(*server_));
  ASSERT_TRUE(greet(stream));
  stream.write(batch_message(1, std::string((1u << 20) + 1, 'x')));
  expect_refused(stream, grpc::StatusCode::RESOURCE_EXHAUSTED, "at most 1048576", StreamEndReason::kOversize);
  EXPECT_EQ(stream.trailer("hoptap-batch"), "1");
}

TEST_F(Hostile, AMessageMuchTooLarge) {
  RawStream stream(address_of(*server_));
  ASSERT_TRUE(greet(stream));
  stream.write(batch_message(1, std::string(16u << 20, 'x')));
  while (stream.read()) continue;
  const grpc::Status status = stream.finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_NE(status.error_message().find("larger than max"), std::string::npos) << status.error_message();
  EXPECT_EQ(ended_by(StreamEndReason::kBroken), 1u);
}

TEST_F(Hostile, AMessageThatUnpacksToSomethingHuge) {
  RawStream stream(address_of(*server_), grpc::InsecureChannelCredentials(), "/hoptap.v1.Collector/Deliver",
                   GRPC_COMPRESS_GZIP);
  stream.write(batch_message(1, std::string(64u << 20, '\0')));
  while (stream.read()) continue;
  EXPECT_EQ(stream.finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Hostile, AnotherMethod) {
  RawStream stream(address_of(*server_), grpc::InsecureChannelCredentials(), "/hoptap.v1.Collector/Fetch");
  stream.write(hello_message());
  EXPECT_EQ(stream.finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Hostile, AProbeThatTheSinkRefuses) {
  sink_.refuse_probes("the name raw is taken by probe 7; choose another");
  RawStream stream(address_of(*server_));
  stream.write(hello_message());
  expect_refused(stream, grpc::StatusCode::PERMISSION_DENIED, "is taken by probe 7", StreamEndReason::kRefused);
}

TEST_F(Hostile, MoreStreamsThanAllowed) {
  std::vector<std::unique_ptr<RawStream>> streams;
  for (int at = 0; at < 3; ++at) {
    streams.push_back(std::make_unique<RawStream>(address_of(*server_)));
    ASSERT_TRUE(greet(*streams.back(), std::string(16, static_cast<char>('a' + at))));
  }
  RawStream stream(address_of(*server_));
  expect_refused(stream, grpc::StatusCode::RESOURCE_EXHAUSTED, "4 streams, as many as it allows",
                 StreamEndReason::kTooMany);
  streams.pop_back();
  ASSERT_TRUE(eventually([&] { return server_->counters().streams == 3; }));
  RawStream again(address_of(*server_));
  EXPECT_TRUE(greet(again));
}

TEST_F(Hostile, AStreamThatBreaksOff) {
  {
    RawStream stream(address_of(*server_));
    ASSERT_TRUE(greet(stream));
    stream.write(batch_message(1));
  }
  EXPECT_EQ(ended_by(StreamEndReason::kBroken), 1u);
  EXPECT_EQ(sink_.goodbyes(), 1u);
}

/// What the server sends, to the end of the connection.
std::string all_of(int file) {
  std::string all;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(file, bytes, sizeof bytes)) > 0;)
    all.append(bytes, static_cast<std::size_t>(got));
  return all;
}

TEST_F(Silent, AConnectionThatSaysNothingIsClosed) {
  const int file = connect_plainly();
  all_of(file);  // ends when the server closes
  ::close(file);
}

TEST_F(Silent, AConnectionThatSpeaksHalfASentenceIsClosed) {
  const int file = connect_plainly();
  ASSERT_EQ(::write(file, "PRI * HT", 8), 8);
  all_of(file);
  ::close(file);
}

TEST_F(Silent, AConnectionThatSpeaksHttp1IsClosed) {
  const int file = connect_plainly();
  const std::string request = "GET / HTTP/1.1\r\nHost: tracer\r\n\r\n";
  ASSERT_EQ(::write(file, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  all_of(file);
  ::close(file);
}

TEST(CollectorStart, FailsInWords) {
  MemorySink sink;
  const auto first = serve(sink);
  const auto why = [&](const std::string& listen) {
    CollectorConfig config;
    config.listen = listen;
    const auto server = CollectorServer::start(sink, config);
    return server ? "started" : server.error().what;
  };
  EXPECT_NE(why(address_of(*first)).find("Address already in use; stop the program"), std::string::npos)
      << why(address_of(*first));
  EXPECT_NE(why("192.0.2.1:0").find("not one of this host's"), std::string::npos) << why("192.0.2.1:0");
  EXPECT_NE(why("nonsense").find("write host:port"), std::string::npos);
  EXPECT_NE(why("127.0.0.1:99999").find("write host:port"), std::string::npos);
  EXPECT_NE(why("no-such-host.invalid:1").find("cannot be resolved"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::exporting
