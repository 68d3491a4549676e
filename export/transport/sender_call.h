// One stream from probe to tracer: gRPC's threads put in what happens, the sender's thread takes it out. Private to
// transport.
#pragma once

#include <collector.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hoptap::exporting {

class SenderCall final : public grpc::ClientBidiReactor<v1::FromProbe, v1::FromTracer> {
 public:
  /// Opens the stream on `channel`; `wake` is called, from gRPC's threads, whenever there is something to take out; it
  /// may be called a last time after the end of this object.
  SenderCall(std::shared_ptr<grpc::Channel> channel, std::function<void()> wake);
  /// Cancels and waits for gRPC to be done.
  ~SenderCall() override;

  bool can_write() const;
  void write(v1::FromProbe&& message);  ///< only when can_write()
  void close();                         ///< nothing more will be written
  void cancel() { context_.TryCancel(); }

  std::vector<v1::FromTracer> take_received();
  /// How it ended, once it did and everything received is taken out.
  std::optional<grpc::Status> ended() const;
  /// Of the trailing metadata, after the end; empty when there is none.
  std::string trailer(const std::string& key) const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void let_go();  ///< of the hold that lets the sender's thread start writes; locked

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Collector::Stub> stub_;
  grpc::ClientContext context_;
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable done_;
  v1::FromTracer incoming_;
  v1::FromProbe outgoing_;
  std::vector<v1::FromTracer> received_;
  bool writing_ = false;
  bool closed_ = false;
  bool held_ = true;
  std::optional<grpc::Status> status_;
};

}  // namespace hoptap::exporting
