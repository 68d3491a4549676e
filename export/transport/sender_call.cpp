#include "export/transport/sender_call.h"

#include <utility>

namespace hoptap::exporting {

SenderCall::SenderCall(std::shared_ptr<grpc::Channel> channel, std::function<void()> wake)
    : channel_(std::move(channel)), stub_(v1::Collector::NewStub(channel_)), wake_(std::move(wake)) {
  stub_->async()->Deliver(&context_, this);
  AddHold();
  StartRead(&incoming_);
  StartCall();
}

SenderCall::~SenderCall() {
  context_.TryCancel();
  std::unique_lock lock(mutex_);
  let_go();
  done_.wait(lock, [this] { return status_.has_value(); });
}

void SenderCall::let_go() {
  if (std::exchange(held_, false)) RemoveHold();
}

bool SenderCall::can_write() const {
  const std::lock_guard lock(mutex_);
  return held_ && !writing_ && !closed_ && !status_;
}

void SenderCall::write(v1::FromProbe&& message) {
  const std::lock_guard lock(mutex_);
  if (!held_ || writing_ || closed_) return;  // its end is on the way
  outgoing_ = std::move(message);
  writing_ = true;
  StartWrite(&outgoing_);
}

void SenderCall::close() {
  const std::lock_guard lock(mutex_);
  if (!held_ || closed_) return;
  closed_ = true;
  StartWritesDone();
}

std::vector<v1::FromTracer> SenderCall::take_received() {
  const std::lock_guard lock(mutex_);
  return std::exchange(received_, {});
}

std::optional<grpc::Status> SenderCall::ended() const {
  const std::lock_guard lock(mutex_);
  return received_.empty() ? status_ : std::nullopt;
}

std::string SenderCall::trailer(const std::string& key) const {
  const auto& all = context_.GetServerTrailingMetadata();
  const auto found = all.find(key);
  return found == all.end() ? "" : std::string(found->second.data(), found->second.size());
}

void SenderCall::OnReadDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    if (ok) {
      received_.push_back(std::move(incoming_));
      incoming_.Clear();
      StartRead(&incoming_);
    } else {
      let_go();  // no read will come any more, so no write matters
    }
  }
  wake_();
}

void SenderCall::OnWriteDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) let_go();
  }
  wake_();
}

void SenderCall::OnDone(const grpc::Status& status) {
  const std::function<void()> wake = wake_;  // once the status is there, the other thread may end this
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
    status_ = status;
    done_.notify_all();
  }
  wake();
}

}  // namespace hoptap::exporting
