#include "export/transport/sender_connection.h"

#include <algorithm>
#include <utility>

#include "export/transport/collector_stream.h"
#include "export/transport/pem_files.h"
#include "export/transport/sender_words.h"

namespace hoptap::exporting {
namespace {

constexpr std::string_view kZstd = "zstd";
constexpr std::string_view kIdentity = "identity";
constexpr int kPingAnswerMs = 20'000;
constexpr int kReplyBytesMax = 1 << 20;
constexpr std::uint32_t kFetchBatchesMax = 16;
constexpr std::chrono::seconds kOfUse{5};
constexpr std::chrono::seconds kStopTimeout{1};  // for the last acknowledgements

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

std::uint64_t unix_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

template <class List>
bool lists(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

void SenderSignal::ring() {
  const std::lock_guard lock(mutex);
  rang = true;
  changed.notify_all();
}

void SenderSignal::wait(std::chrono::nanoseconds longest) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, longest, [this] { return rang; });
  rang = false;
}

bool SenderSignal::sleep(std::chrono::nanoseconds longest) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, longest, [this] { return stop; });
}

bool SenderSignal::stopping() {
  const std::lock_guard lock(mutex);
  return stop;
}

void SenderShared::set_connected(bool connected) {
  const std::lock_guard lock(mutex);
  if (connected) ++status.connections;
  if (status.connected == connected) return;
  status.connected = connected;
  status.since_ns = unix_ns();
}

void SenderShared::set_error(std::string words) {
  const std::lock_guard lock(mutex);
  status.error = std::move(words);
  status.error_ns = unix_ns();
}

/// A channel of its own for each connection: the files may have changed, and gRPC's own back-off is not ours.
base::Outcome<std::shared_ptr<grpc::Channel>> SenderConnection::channel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(config_.keepalive.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  if (!config_.tls) return grpc::CreateCustomChannel(config_.address, grpc::InsecureChannelCredentials(), arguments);
  const ClientTls& tls = *config_.tls;
  grpc::SslCredentialsOptions options;
  if (!tls.ca_file.empty()) {
    base::Outcome<std::string> text = read_pem(tls.ca_file, "the authorities (tls.ca)");
    if (!text) return tl::unexpected(text.error());
    options.pem_root_certs = std::move(*text);
  }
  if (!tls.certificate_file.empty() || !tls.key_file.empty()) {
    if (base::Outcome<void> good = check_pair(tls.certificate_file, tls.key_file); !good) {
      return tl::unexpected(good.error());
    }
    options.pem_cert_chain = read_pem(tls.certificate_file, "the probe's certificate").value_or("");
    options.pem_private_key = read_pem(tls.key_file, "the probe's key").value_or("");
  }
  if (!tls.server_name.empty()) arguments.SetSslTargetNameOverride(tls.server_name);
  return grpc::CreateCustomChannel(config_.address, grpc::SslCredentials(options), arguments);
}

bool SenderConnection::run() {
  {
    const std::lock_guard lock(shared_.mutex);
    ++shared_.status.attempts;
  }
  base::Outcome<std::shared_ptr<grpc::Channel>> way = channel();
  if (!way) {
    shared_.set_error(way.error().what);
    return false;
  }
  begun_ = now();
  call_ = std::make_unique<SenderCall>(std::move(*way), [signal = signal_] { signal->ring(); });
  while (loop()) signal_->wait(std::max(next_deadline() - now(), Instant(0)));
  call_.reset();
  spool_.none_on_their_way();
  in_flight_.clear();
  publish();
  shared_.set_connected(false);
  return delivered_ || (welcomed_ && now() - begun_ >= kOfUse);
}

SenderConnection::Instant SenderConnection::next_deadline() const {
  Instant at = now() + std::chrono::hours(1);
  if (!welcomed_) at = begun_ + config_.connect_timeout;
  if (!in_flight_.empty()) at = std::min(at, progress_ + config_.ack_timeout);
  if (closing_) at = std::min(at, stop_by_);
  return at;
}

bool SenderConnection::loop() {
  const std::vector<v1::FromTracer> received = call_->take_received();
  for (std::size_t at = 0; at < received.size(); ++at) {
    // Of acknowledgements that wait only the last counts: each costs the spool a transaction.
    const bool superseded =
        welcomed_ && at + 1 < received.size() && received[at].has_ack() && received[at + 1].has_ack();
    if (!superseded && !take(received[at])) return false;
  }
  if (call_->ended()) {
    end();
    return false;
  }
  if (!closing_ && signal_->stopping()) {
    closing_ = true;
    stop_by_ = now() + (welcomed_ ? kStopTimeout : std::chrono::seconds(0));
    call_->close();
  }
  if (closing_) return now() < stop_by_;
  if (!welcomed_ && now() >= begun_ + config_.connect_timeout) {
    const std::string words = end_in_words(config_, {grpc::StatusCode::UNAVAILABLE, "no answer in time"}, "", false);
    return fail(words);
  }
  if (!in_flight_.empty() && now() >= progress_ + config_.ack_timeout) {
    return fail("the tracer at " + config_.address + " acknowledges nothing for " +
                std::to_string(config_.ack_timeout.count() / 1000) +
                " s; it may be overloaded, or its disk slow. The probe connects again");
  }
  if (!hello_sent_ && call_->can_write()) {
    v1::FromProbe message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_protocol(kProtocol);
    hello.set_probe(config_.probe);
    hello.set_instance(spool_.instance());
    hello.set_software(config_.software);
    hello.add_codings(std::string(kZstd));
    if (config_.decompress) hello.add_codings(std::string(kIdentity));
    hello_sent_ = true;
    call_->write(std::move(message));
  }
  return !welcomed_ || fill();
}

bool SenderConnection::take(const v1::FromTracer& message) {
  if (message.has_welcome() && !welcomed_) return take_welcome(message.welcome());
  if (message.has_ack() && welcomed_) return take_ack(message.ack().acknowledged());
  return fail("the tracer at " + config_.address +
              " sends what protocol 1 does not allow; install the same version of "
              "hoptap on both");
}

bool SenderConnection::take_welcome(const v1::Welcome& welcome) {
  if (welcome.protocol() != kProtocol) {
    return fail("the tracer at " + config_.address + " speaks protocol " + std::to_string(welcome.protocol()) +
                ", this probe speaks 1; install the same version of hoptap on both");
  }
  identity_ = !lists(welcome.codings(), kZstd);
  if (identity_ && (!config_.decompress || !lists(welcome.codings(), kIdentity))) {
    return fail("the tracer at " + config_.address +
                " reads no coding that this probe can send; install the same "
                "version of hoptap on both");
  }
  if (base::Outcome<void> known = spool_.acknowledge(welcome.acknowledged()); !known) return fail(known.error().what);
  welcomed_ = true;
  batch_bytes_max_ = welcome.batch_bytes_max();
  window_ = std::max(1u, std::min(config_.batches_in_flight_max, welcome.batches_in_flight_max()));
  sent_ = fetched_ = welcome.acknowledged();
  publish();
  shared_.set_connected(true);
  return true;
}

bool SenderConnection::take_ack(std::uint64_t acknowledged) {
  if (acknowledged > sent_) {
    return fail("the tracer at " + config_.address + " acknowledges batch " + std::to_string(acknowledged) +
                ", which was not sent; install the same version of hoptap on both");
  }
  while (!in_flight_.empty() && in_flight_.front().sequence <= acknowledged) {
    bytes_held_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
    delivered_ = true;
  }
  progress_ = now();
  {
    const std::lock_guard lock(shared_.mutex);
    ++shared_.status.acks;
  }
  // When the spool's disk fails, the batches stay, and the tracer will know them as duplicates.
  if (base::Outcome<void> deleted = spool_.acknowledge(acknowledged); !deleted) shared_.set_error(deleted.error().what);
  publish();
  return true;
}

bool SenderConnection::fill() {
  while (call_->can_write() && in_flight_.size() < window_) {
    if (ready_.empty() && !refill()) return false;
    if (ready_.empty()) return true;
    SpooledBatch batch = std::move(ready_.front());
    ready_.pop_front();
    if (!write(std::move(batch))) return false;
  }
  return true;
}

bool SenderConnection::refill() {
  if (bytes_held_ >= config_.bytes_in_flight_max) return true;
  const auto free = static_cast<std::uint32_t>(window_ - in_flight_.size());
  base::Outcome<std::vector<SpooledBatch>> batches =
      spool_.next(fetched_, std::min(free, kFetchBatchesMax), config_.bytes_in_flight_max - bytes_held_);
  if (!batches) return fail(batches.error().what);
  for (SpooledBatch& batch : *batches) {
    fetched_ = batch.sequence;
    bytes_held_ += batch.payload.size();
    ready_.push_back(std::move(batch));
  }
  return true;
}

bool SenderConnection::write(SpooledBatch&& batch) {
  const std::uint64_t held = batch.payload.size();
  if (identity_) {
    base::Outcome<std::string> plain = config_.decompress(batch.payload);
    if (!plain) {
      bytes_held_ -= held;
      give_up(batch.sequence, plain.error().what);
      return true;
    }
    batch.payload = std::move(*plain);
  }
  const std::uint64_t bytes = batch.payload.size();
  if (bytes > batch_bytes_max_) {
    bytes_held_ -= held;
    give_up(batch.sequence, "it has " + std::to_string(bytes) + " bytes and the tracer takes " +
                                std::to_string(batch_bytes_max_) +
                                "; lower the probe's batch size or raise the tracer's limit");
    return true;
  }
  v1::FromProbe message;
  v1::Batch& sent = *message.mutable_batch();
  sent.set_sequence(batch.sequence);
  sent.set_records(batch.records);
  sent.set_coding(std::string(identity_ ? kIdentity : kZstd));
  sent.set_payload(std::move(batch.payload));
  if (in_flight_.empty()) progress_ = now();
  in_flight_.push_back({batch.sequence, held});
  sent_ = batch.sequence;
  call_->write(std::move(message));
  const std::lock_guard lock(shared_.mutex);
  ++shared_.status.sent_batches;
  shared_.status.sent_bytes += bytes;
  shared_.status.in_flight = static_cast<std::uint32_t>(in_flight_.size());
  return true;
}

/// A batch that can never be delivered must not hold up the others.
void SenderConnection::give_up(std::uint64_t sequence, const std::string& words) {
  const base::Outcome<void> deleted = spool_.refuse(sequence);
  shared_.set_error("batch " + std::to_string(sequence) + " is dropped: " + words +
                    (deleted ? "" : "; " + deleted.error().what));
  delivered_ = true;
  const std::lock_guard lock(shared_.mutex);
  shared_.acknowledged.notify_all();
}

bool SenderConnection::fail(std::string words) {
  failed_ = true;
  shared_.set_error(std::move(words));
  return false;
}

void SenderConnection::end() {
  const grpc::Status status = *call_->ended();
  if (closing_) return;
  const std::string reason = call_->trailer("hoptap-reason");
  const std::string refused = call_->trailer("hoptap-batch");
  const auto is_refused = [&](const InFlight& each) { return std::to_string(each.sequence) == refused; };
  if (const auto found = std::find_if(in_flight_.begin(), in_flight_.end(), is_refused); found != in_flight_.end()) {
    give_up(found->sequence, end_in_words(config_, status, reason, welcomed_));
  } else {
    shared_.set_error(end_in_words(config_, status, reason, welcomed_));
  }
}

void SenderConnection::publish() {
  const std::lock_guard lock(shared_.mutex);
  shared_.status.acknowledged = spool_.acknowledged();
  shared_.status.in_flight = static_cast<std::uint32_t>(in_flight_.size());
  shared_.acknowledged.notify_all();
}

}  // namespace hoptap::exporting
