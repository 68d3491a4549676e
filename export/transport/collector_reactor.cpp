#include "export/transport/collector_reactor.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <utility>

namespace hoptap::exporting {
namespace {

constexpr std::chrono::seconds kFinishTimeout{5};  // for a probe that does not read its last message
constexpr std::size_t kWordsBytesMax = 1024;

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

grpc::StatusCode code(StreamEndReason reason) {
  switch (reason) {
    case StreamEndReason::kClosed: return grpc::StatusCode::OK;
    case StreamEndReason::kBroken: return grpc::StatusCode::CANCELLED;
    case StreamEndReason::kMalformed:
    case StreamEndReason::kBadHello:
    case StreamEndReason::kBadSequence:
    case StreamEndReason::kBadCoding:
    case StreamEndReason::kBadBatch: return grpc::StatusCode::INVALID_ARGUMENT;
    case StreamEndReason::kNoHello:
    case StreamEndReason::kProtocol: return grpc::StatusCode::FAILED_PRECONDITION;
    case StreamEndReason::kRefused: return grpc::StatusCode::PERMISSION_DENIED;
    case StreamEndReason::kOversize:
    case StreamEndReason::kTooMany: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case StreamEndReason::kReplaced: return grpc::StatusCode::ABORTED;
    case StreamEndReason::kUnavailable:
    case StreamEndReason::kStopping: return grpc::StatusCode::UNAVAILABLE;
  }
  return grpc::StatusCode::UNKNOWN;
}

bool parse(grpc::ByteBuffer& bytes, v1::FromProbe& message) {
  grpc::ProtoBufferReader reader(&bytes);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

/// "ipv4:10.0.0.1:40312" as people write it.
std::string plain_peer(const std::string& peer) {
  const std::size_t colon = peer.find(':');
  return peer.rfind("ipv", 0) == 0 && colon != std::string::npos ? peer.substr(colon + 1) : peer;
}

std::string certificate_name(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return "";
  const std::vector<grpc::string_ref> names = peer->FindPropertyValues("x509_common_name");
  return names.empty() ? "" : std::string(names.front().data(), names.front().size());
}

}  // namespace

CollectorShared::CollectorShared(BatchSink& where, CollectorConfig what)
    : sink(where),
      config(std::move(what)),
      sessions(config.bytes_per_second_max, config.batches_per_second_max, std::size_t{2} * config.streams_max) {}

CollectorReactor::CollectorReactor(std::shared_ptr<CollectorShared> shared, grpc::CallbackServerContext& context,
                                   std::function<void(const CollectorReactor*)> done)
    : shared_(std::move(shared)), context_(context), done_(std::move(done)), stream_(shared_->config, shared_->tally) {}

void CollectorReactor::begin(StreamEndReason refuse, std::string words) {
  const Lock lock(mutex_);
  if (refuse != StreamEndReason::kClosed) {
    stream_.end(refuse, std::move(words));
  } else {
    hello_alarm_ = after(shared_->config.hello_timeout, &CollectorReactor::hello_is_late);
  }
  pump();
}

/// Calls `call` later if the stream is still there.
std::unique_ptr<grpc::Alarm> CollectorReactor::after(std::chrono::nanoseconds wait, void (CollectorReactor::*call)()) {
  auto alarm = std::make_unique<grpc::Alarm>();
  const gpr_timespec at = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(wait.count(), GPR_TIMESPAN));
  alarm->Set(at, [self = weak_from_this(), call](bool rang) {
    const std::shared_ptr<CollectorReactor> stream = rang ? self.lock() : nullptr;
    if (stream != nullptr) (stream.get()->*call)();
  });
  return alarm;
}

void CollectorReactor::hello_is_late() {
  const Lock lock(mutex_);
  if (stream_.greeted()) return;
  stream_.end(StreamEndReason::kNoHello, "no Hello in time; a stream begins with it");
  pump();
}

void CollectorReactor::may_read_again() {
  const Lock lock(mutex_);
  slowed_ = false;
  pump();
}

void CollectorReactor::finish_is_late() {
  const Lock lock(mutex_);
  if (!gone_) context_.TryCancel();
}

void CollectorReactor::stop(bool at_once) {
  const Lock lock(mutex_);
  at_once_ = at_once_ || at_once;
  stream_.end(StreamEndReason::kStopping, "the tracer stops; the probe connects again by itself");
  pump();
}

void CollectorReactor::replace() {
  end(StreamEndReason::kReplaced,
      "this spool has connected again; if two probes use copies of one spool, give each its own");
}

void CollectorReactor::end(StreamEndReason reason, std::string words) {
  const Lock lock(mutex_);
  stream_.end(reason, std::move(words));
  pump();
}

void CollectorReactor::go() {
  const std::shared_ptr<CollectorReactor> self = shared_from_this();
  {
    const Lock lock(mutex_);
    if (stream_.ended()) return;
    greeting_ = true;  // holds up the end
  }
  const base::Outcome<std::uint64_t> last = shared_->sink.welcome(stream_.hello());
  const Lock lock(mutex_);
  greeting_ = false;
  greeted_ = last.has_value();
  if (greeted_) shared_->tally.probes += 1;
  stream_.welcomed(last);
  pump();
}

void CollectorReactor::OnReadDone(bool ok) {
  const std::shared_ptr<CollectorReactor> self = shared_from_this();
  v1::FromProbe message;
  const bool parsed = ok && parse(incoming_, message);
  incoming_.Clear();
  if (parsed) take(std::move(message));
  const Lock lock(mutex_);
  reading_ = false;
  if (ok && !parsed)
    stream_.end(StreamEndReason::kMalformed, "the bytes are no message of protocol 1; is this a hoptap probe?");
  if (!ok && stream_.greeted()) stream_.end(StreamEndReason::kClosed, "");
  if (!ok) stream_.end(StreamEndReason::kNoHello, "the stream was closed before Hello");
  pump();
}

void CollectorReactor::take(v1::FromProbe&& message) {
  CollectorStream::Step step;
  {
    const Lock lock(mutex_);
    step = stream_.take(std::move(message));
    if (std::holds_alternative<CollectorStream::AskWelcome>(step)) {
      stream_.hello().peer = plain_peer(context_.peer());
      stream_.hello().certificate_name = certificate_name(context_);
      entered_ = true;
    }
  }
  if (std::holds_alternative<CollectorStream::AskWelcome>(step)) {
    shared_->sessions.enter(stream_.hello().instance, shared_from_this());
  } else if (auto* batch = std::get_if<CollectorStream::Store>(&step)) {
    store(std::move(batch->batch));
  }
}

void CollectorReactor::store(ReceivedBatch&& batch) {
  const std::chrono::nanoseconds wait = shared_->sessions.spend(stream_.hello().instance, batch.payload.size(), now());
  if (wait.count() > 0) {
    const Lock lock(mutex_);
    slowed_ = true;
    shared_->tally.times_slowed += 1;
    slow_alarm_ = after(wait, &CollectorReactor::may_read_again);
  }
  const std::uint64_t sequence = batch.sequence;
  shared_->sink.store(stream_.hello(), std::move(batch),
                      [self = weak_from_this(), sequence](const StoreResult& result) {
                        if (const std::shared_ptr<CollectorReactor> stream = self.lock())
                          stream->stored(sequence, result);
                      });
}

void CollectorReactor::stored(std::uint64_t sequence, const StoreResult& result) {
  const Lock lock(mutex_);
  stream_.stored(sequence, result);
  pump();
}

void CollectorReactor::OnWriteDone(bool ok) {
  const Lock lock(mutex_);
  writing_ = false;
  if (!ok) stream_.end(StreamEndReason::kBroken, "the connection broke");
  pump();
}

void CollectorReactor::OnCancel() { end(StreamEndReason::kBroken, "the connection broke"); }

void CollectorReactor::pump() {
  if (finished_) return;
  const bool over = stream_.ended() && !greeting_ && (stream_.being_stored() == 0 || at_once_);
  if (over && finish_alarm_ == nullptr) finish_alarm_ = after(kFinishTimeout, &CollectorReactor::finish_is_late);
  if (!writing_ && stream_.wants_reply()) {
    v1::FromTracer message;
    stream_.reply(message);
    const std::string bytes = message.SerializeAsString();
    const grpc::Slice slice(bytes);
    outgoing_ = grpc::ByteBuffer(&slice, 1);
    writing_ = true;
    StartWrite(&outgoing_);
  }
  if (!reading_ && !slowed_ && stream_.wants_more()) {
    reading_ = true;
    StartRead(&incoming_);
  }
  if (over && !writing_) finish();
}

void CollectorReactor::finish() {
  finished_ = true;
  const StreamEnd& end = *stream_.ended();
  if (end.reason == StreamEndReason::kClosed) return Finish(grpc::Status::OK);
  context_.AddTrailingMetadata("hoptap-reason", std::string(name(end.reason)));
  if (end.refused_batch != 0) context_.AddTrailingMetadata("hoptap-batch", std::to_string(end.refused_batch));
  Finish({code(end.reason), end.words.substr(0, kWordsBytesMax)});
}

void CollectorReactor::OnDone() {
  // Everybody else knows it by shared or weak pointers, so it may outlive this call.
  const std::shared_ptr<CollectorReactor> self = shared_from_this();
  StreamEndReason reason{};
  {
    const Lock lock(mutex_);
    gone_ = true;
    reason = stream_.ended()->reason;
    hello_alarm_.reset();
    slow_alarm_.reset();
    finish_alarm_.reset();
  }
  if (reason == StreamEndReason::kClosed && context_.IsCancelled()) reason = StreamEndReason::kBroken;
  if (greeted_) {
    shared_->sink.goodbye(stream_.hello());
    shared_->tally.probes -= 1;
  }
  // Whoever reads that a stream has ended finds the sink told of it.
  shared_->tally.streams_ended[static_cast<std::size_t>(reason)] += 1;
  shared_->tally.streams -= 1;
  if (entered_) shared_->sessions.leave(stream_.hello().instance, this);
  done_(this);
}

}  // namespace hoptap::exporting
