// A stream to the collector that sends any bytes, one blocking operation at a time.
#pragma once

#include <collector.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

namespace hoptap::exporting {

class RawStream {
 public:
  explicit RawStream(const std::string& address,
                     const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials(),
                     const std::string& method = "/hoptap.v1.Collector/Deliver",
                     grpc_compression_algorithm compression = GRPC_COMPRESS_NONE);
  ~RawStream();
  RawStream(const RawStream&) = delete;
  RawStream& operator=(const RawStream&) = delete;

  bool write(const std::string& bytes);
  bool write(const v1::FromProbe& message) { return write(message.SerializeAsString()); }
  std::optional<v1::FromTracer> read();  ///< none: the stream is over
  void half_close();
  void cancel() { context_.TryCancel(); }
  grpc::Status finish();
  std::string trailer(const std::string& key) const;

 private:
  bool done();  ///< of the operation that was started

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

v1::FromProbe hello_message(const std::string& instance = "0123456789abcdef", const std::string& probe = "raw");
v1::FromProbe batch_message(std::uint64_t sequence, const std::string& payload = "payload",
                            const std::string& coding = "zstd");

/// Says hello and takes the welcome; the number in it, none when it was refused.
std::optional<std::uint64_t> greet(RawStream& stream, const std::string& instance = "0123456789abcdef");

}  // namespace hoptap::exporting
