#include "export/transport/sender.h"

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "export/transport/address.h"
#include "export/transport/collector_stream.h"
#include "export/transport/pem_files.h"
#include "export/transport/sender_connection.h"

namespace hoptap::exporting {

class Sender::Impl {
 public:
  Impl(Spool& spool, SenderConfig config) : spool_(spool), config_(std::move(config)) {
    shared_.status.address = config_.address;
    shared_.status.acknowledged = spool_.acknowledged();
  }
  ~Impl() { stop(); }

  void start() {
    spool_.listen([signal = signal_] { signal->ring(); });
    thread_ = std::thread([this] { run(); });
  }
  void stop();
  SenderStatus status() {
    const std::lock_guard lock(shared_.mutex);
    return shared_.status;
  }
  bool drain(std::chrono::milliseconds longest) {
    std::unique_lock lock(shared_.mutex);
    return shared_.acknowledged.wait_for(
        lock, longest, [this] { return shared_.status.in_flight == 0 && spool_.counters().waiting_batches == 0; });
  }

 private:
  void run();

  Spool& spool_;
  const SenderConfig config_;
  SenderShared shared_;
  std::shared_ptr<SenderSignal> signal_ = std::make_shared<SenderSignal>();
  std::thread thread_;
};

void Sender::Impl::run() {
  std::mt19937 random{std::random_device{}()};
  std::uniform_real_distribution<double> jitter(0.5, 1.0);  // so that probes do not come back all at once
  std::chrono::milliseconds backoff = config_.backoff_min;
  while (!signal_->stopping()) {
    if (SenderConnection(spool_, config_, shared_, signal_).run()) backoff = config_.backoff_min;
    if (signal_->sleep(std::chrono::duration_cast<std::chrono::nanoseconds>(backoff * jitter(random)))) return;
    backoff = std::min(backoff * 2, config_.backoff_max);
  }
}

void Sender::Impl::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(signal_->mutex);
    signal_->stop = true;
  }
  signal_->ring();
  thread_.join();
  spool_.listen({});
}

Sender::Sender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sender::~Sender() = default;

base::Outcome<void> check(const SenderConfig& config, bool with_files) {
  const base::Outcome<HostPort> parts = split_address(config.address);
  if (!parts) return tl::unexpected(parts.error());
  if (parts->port.find_first_not_of('0') == std::string::npos)
    return tl::unexpected(base::Failure{"no tracer has port 0; give the one it listens on, 4717 by default"});
  if (!is_printable(config.probe, kProbeNameBytesMax))
    return tl::unexpected(base::Failure{"the probe's name must be 1 to 128 bytes of printable text; change it"});
  if (!with_files || !config.tls) return {};
  const ClientTls& tls = *config.tls;
  if (!tls.ca_file.empty())
    if (base::Outcome<void> good = check_authorities(tls.ca_file); !good) return good;
  if (tls.certificate_file.empty() && tls.key_file.empty()) return {};
  return check_pair(tls.certificate_file, tls.key_file);
}

base::Outcome<std::unique_ptr<Sender>> Sender::start(Spool& spool, SenderConfig config) {
  quiet_grpc();
  if (base::Outcome<void> good = check(config, false); !good) return tl::unexpected(good.error());
  auto impl = std::make_unique<Impl>(spool, std::move(config));
  impl->start();
  return std::unique_ptr<Sender>(new Sender(std::move(impl)));
}

SenderStatus Sender::status() const { return impl_->status(); }
bool Sender::drain(std::chrono::milliseconds longest) { return impl_->drain(longest); }
void Sender::stop() { impl_->stop(); }

}  // namespace hoptap::exporting
