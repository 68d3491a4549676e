#include "export/transport/collector_server.h"

#include <collector.grpc.pb.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "export/transport/address.h"
#include "export/transport/collector_reactor.h"
#include "export/transport/pem_files.h"

namespace hoptap::exporting {
namespace {

constexpr int kPingAnswerMs = 20'000;
constexpr int kPingsApartMsMin = 5'000;  // probes may ping so often
constexpr int kMetadataBytesMax = 16 << 10;
constexpr std::uint32_t kMessageRoom = 1u << 20;  // a little too large is said in our words, much in gRPC's
constexpr std::chrono::seconds kCancelTimeout{2};

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

using Service = v1::Collector::WithRawCallbackMethod_Deliver<v1::Collector::Service>;

int milliseconds(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

base::Outcome<void> check_files(const ServerTls& tls) {
  if (base::Outcome<void> good = check_pair(tls.certificate_file, tls.key_file); !good) return good;
  return tls.client_ca_file.empty() ? base::Outcome<void>() : check_authorities(tls.client_ca_file);
}

base::Outcome<std::shared_ptr<grpc::ServerCredentials>> credentials(const std::optional<ServerTls>& tls) {
  if (!tls) return grpc::InsecureServerCredentials();
  if (base::Outcome<void> good = check_files(*tls); !good) return tl::unexpected(good.error());
  const bool mutual = !tls->client_ca_file.empty();
  const auto watcher = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls->key_file, tls->certificate_file, tls->client_ca_file, std::max(1u, tls->reload_seconds));
  grpc::experimental::TlsServerCredentialsOptions options(watcher);
  options.watch_identity_key_cert_pairs();
  if (mutual) options.watch_root_certs();
  options.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

base::Outcome<void> check(const CollectorConfig& config) {
  if (base::Outcome<HostPort> parts = split_address(config.listen); !parts) return tl::unexpected(parts.error());
  return config.tls ? check_files(*config.tls) : base::Outcome<void>();
}

class CollectorServer::Impl final : public Service {
 public:
  Impl(BatchSink& sink, CollectorConfig config)
      : shared_(std::make_shared<CollectorShared>(sink, std::move(config))), quota_("collector") {}
  ~Impl() override { stop(); }

  base::Outcome<void> listen();
  void stop();
  std::uint16_t port() const { return port_; }
  CollectorCounters counters() const;
  std::string tls_fault() const {
    const std::optional<ServerTls>& tls = shared_->config.tls;
    const base::Outcome<void> good = tls ? check_files(*tls) : base::Outcome<void>();
    return good ? "" : good.error().what;
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Deliver(grpc::CallbackServerContext* context) override;

 private:
  void limit(grpc::ServerBuilder& builder);
  void stop_streams(bool at_once);
  void forget(const CollectorReactor* stream);

  std::shared_ptr<CollectorShared> shared_;
  grpc::ResourceQuota quota_;
  std::unique_ptr<grpc::Server> server_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable all_gone_;
  bool stopping_ = false;
  std::map<const CollectorReactor*, std::shared_ptr<CollectorReactor>> streams_;
};

base::Outcome<void> CollectorServer::Impl::listen() {
  quiet_grpc();
  const CollectorConfig& config = shared_->config;
  if (base::Outcome<void> free = try_listen(config.listen); !free) return free;
  const base::Outcome<std::shared_ptr<grpc::ServerCredentials>> allowed = credentials(config.tls);
  if (!allowed) return tl::unexpected(allowed.error());
  grpc::ServerBuilder builder;
  limit(builder);
  int port = 0;
  builder.AddListeningPort(config.listen, *allowed, &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    server_.reset();
    return fail("cannot listen on " + config.listen + "; is the port in use?");
  }
  port_ = static_cast<std::uint16_t>(port);
  return {};
}

void CollectorServer::Impl::limit(grpc::ServerBuilder& builder) {
  const CollectorConfig& config = shared_->config;
  quota_.Resize(config.memory_bytes_max);
  quota_.SetMaxThreads(static_cast<int>(config.threads_max));
  builder.SetResourceQuota(quota_);
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.batch_bytes_max + kMessageRoom));
  // Payloads are compressed by us; gRPC's own compression would only let a small message become a huge one.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  // Two more than we allow, so that those over the limit hear it in our words.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(config.streams_max) + 2);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, milliseconds(config.handshake_timeout));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds(config.idle_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(config.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingsApartMsMin);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* CollectorServer::Impl::Deliver(
    grpc::CallbackServerContext* context) {
  const auto stream =
      std::make_shared<CollectorReactor>(shared_, *context, [this](const CollectorReactor* gone) { forget(gone); });
  StreamEndReason refuse = StreamEndReason::kClosed;
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      refuse = StreamEndReason::kStopping;
      words = "the tracer stops; the probe connects again by itself";
    } else if (streams_.size() >= shared_->config.streams_max) {
      refuse = StreamEndReason::kTooMany;
      words = "the tracer has " + std::to_string(streams_.size()) +
              " streams, as many as it allows; raise its limit of streams or start another tracer";
    }
    streams_.emplace(stream.get(), stream);
    shared_->tally.streams += 1;
    shared_->tally.streams_opened += 1;
  }
  stream->begin(refuse, std::move(words));
  return stream.get();
}

void CollectorServer::Impl::forget(const CollectorReactor* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) all_gone_.notify_all();
}

void CollectorServer::Impl::stop_streams(bool at_once) {
  std::vector<std::shared_ptr<CollectorReactor>> streams;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& each : streams_) streams.push_back(each.second);
  }
  for (const std::shared_ptr<CollectorReactor>& stream : streams) stream->stop(at_once);
}

void CollectorServer::Impl::stop() {
  if (server_ == nullptr) return;
  stop_streams(false);
  {
    std::unique_lock lock(mutex_);
    all_gone_.wait_for(lock, shared_->config.stop_timeout, [this] { return streams_.empty(); });
  }
  stop_streams(true);
  server_->Shutdown(std::chrono::system_clock::now() + kCancelTimeout);
  server_->Wait();
  {
    std::unique_lock lock(mutex_);
    all_gone_.wait(lock, [this] { return streams_.empty(); });
  }
  server_.reset();
}

CollectorCounters CollectorServer::Impl::counters() const {
  const CollectorTally& tally = shared_->tally;
  CollectorCounters counters;
  counters.streams = tally.streams;
  counters.probes = tally.probes;
  counters.streams_opened = tally.streams_opened;
  for (std::size_t at = 0; at < kStreamEndReasons; ++at) counters.streams_ended[at] = tally.streams_ended[at];
  counters.batches_received = tally.batches_received;
  counters.bytes_received = tally.bytes_received;
  counters.batches_stored = tally.batches_stored;
  counters.records_stored = tally.records_stored;
  counters.duplicates = tally.duplicates;
  counters.gaps = tally.gaps;
  counters.batches_unstored = tally.batches_unstored;
  counters.acks_sent = tally.acks_sent;
  counters.times_slowed = tally.times_slowed;
  return counters;
}

CollectorServer::CollectorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CollectorServer::~CollectorServer() = default;

base::Outcome<std::unique_ptr<CollectorServer>> CollectorServer::start(BatchSink& sink, CollectorConfig config) {
  auto impl = std::make_unique<Impl>(sink, std::move(config));
  if (base::Outcome<void> listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  return std::unique_ptr<CollectorServer>(new CollectorServer(std::move(impl)));
}

std::uint16_t CollectorServer::port() const { return impl_->port(); }
CollectorCounters CollectorServer::counters() const { return impl_->counters(); }
std::string CollectorServer::tls_fault() const { return impl_->tls_fault(); }
void CollectorServer::stop() { impl_->stop(); }

}  // namespace hoptap::exporting
