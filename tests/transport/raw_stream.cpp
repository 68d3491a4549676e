#include "tests/transport/raw_stream.h"

namespace hoptap::exporting {
namespace {

std::shared_ptr<grpc::Channel> channel(const std::string& address,
                                       const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                       grpc_compression_algorithm compression) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetCompressionAlgorithm(compression);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace

RawStream::RawStream(const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                     const std::string& method, grpc_compression_algorithm compression)
    : stub_(channel(address, credentials, compression)) {
  call_ = stub_.PrepareCall(&context_, method, &queue_);
  call_->StartCall(this);
  done();
}

RawStream::~RawStream() {
  cancel();
  finish();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) continue;
}

bool RawStream::done() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

bool RawStream::write(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  call_->Write(grpc::ByteBuffer(&slice, 1), this);
  return done();
}

std::optional<v1::FromTracer> RawStream::read() {
  grpc::ByteBuffer buffer;
  call_->Read(&buffer, this);
  if (!done()) return std::nullopt;
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  v1::FromTracer message;
  return message.ParseFromString(bytes) ? std::optional(message) : std::nullopt;
}

void RawStream::half_close() {
  call_->WritesDone(this);
  done();
}

grpc::Status RawStream::finish() {
  grpc::Status status;
  if (finished_) return status;
  finished_ = true;
  call_->Finish(&status, this);
  done();
  return status;
}

std::string RawStream::trailer(const std::string& key) const {
  const auto& all = context_.GetServerTrailingMetadata();
  const auto found = all.find(key);
  return found == all.end() ? "" : std::string(found->second.data(), found->second.size());
}

v1::FromProbe hello_message(const std::string& instance, const std::string& probe) {
  v1::FromProbe message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_protocol(1);
  hello.set_probe(probe);
  hello.set_instance(instance);
  hello.add_codings("zstd");
  return message;
}

v1::FromProbe batch_message(std::uint64_t sequence, const std::string& payload, const std::string& coding) {
  v1::FromProbe message;
  v1::Batch& batch = *message.mutable_batch();
  batch.set_sequence(sequence);
  batch.set_records(1);
  batch.set_coding(coding);
  batch.set_payload(payload);
  return message;
}

std::optional<std::uint64_t> greet(RawStream& stream, const std::string& instance) {
  stream.write(hello_message(instance));
  const std::optional<v1::FromTracer> reply = stream.read();
  if (!reply || !reply->has_welcome()) return std::nullopt;
  return reply->welcome().acknowledged();
}

}  // namespace hoptap::exporting
