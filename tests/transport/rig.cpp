#include "tests/transport/rig.h"

#include <stdlib.h>

#include <algorithm>
#include <utility>

namespace hoptap::exporting {

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "hoptap-test-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  root_ = name;
}

Folder::~Folder() {
  std::error_code error;
  std::filesystem::remove_all(root_, error);
}

bool eventually(const std::function<bool()>& condition) {
  const auto late = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > late) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

base::Outcome<std::uint64_t> MemorySink::welcome(const ProbeHello& hello) {
  const std::lock_guard lock(mutex_);
  hellos_.push_back(hello);
  if (!refusal_.empty()) return tl::unexpected(base::Failure{refusal_});
  if (!present_.insert(hello.instance).second) misused_ = true;
  failing_[hello.instance] = false;
  const auto& known = stored_[hello.instance];
  return known.empty() ? 0 : known.rbegin()->first;
}

void MemorySink::store(const ProbeHello& hello, ReceivedBatch&& batch, std::function<void(StoreResult)> stored) {
  {
    const std::lock_guard lock(mutex_);
    if (!present_.contains(hello.instance)) misused_ = true;
    if (holding_) {
      auto kept = std::make_shared<ReceivedBatch>(std::move(batch));
      held_.push_back([this, hello, kept, stored = std::move(stored)] { settle(hello, std::move(*kept), stored); });
      changed_.notify_all();
      return;
    }
  }
  settle(hello, std::move(batch), stored);
}

void MemorySink::settle(const ProbeHello& hello, ReceivedBatch&& batch,
                        const std::function<void(StoreResult)>& stored) {
  StoreResult result;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = answers_.find(batch.sequence); found != answers_.end()) result = found->second;
    if (result.outcome == StoreOutcome::kUnavailable) failing_[hello.instance] = true;
    if (failing_[hello.instance] && result.outcome == StoreOutcome::kStored) {
      result = {StoreOutcome::kUnavailable, "an earlier batch is not stored"};
    }
    if (result.outcome == StoreOutcome::kStored) {
      if (!stored_[hello.instance].emplace(batch.sequence, std::move(batch.payload)).second) misused_ = true;
    }
    changed_.notify_all();
  }
  stored(result);
}

void MemorySink::goodbye(const ProbeHello& hello) {
  const std::lock_guard lock(mutex_);
  if (present_.erase(hello.instance) != 1) misused_ = true;
  ++goodbyes_;
  changed_.notify_all();
}

std::map<std::uint64_t, std::string> MemorySink::batches() const {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, std::string> all;
  for (const auto& [instance, batches] : stored_) all.insert(batches.begin(), batches.end());
  return all;
}

std::size_t MemorySink::count() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [instance, batches] : stored_) sum += batches.size();
  return sum;
}

bool MemorySink::wait_for(std::size_t batches) const {
  return eventually([&] { return count() >= batches; });
}

void MemorySink::hold() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void MemorySink::release() {
  std::vector<std::function<void()>> held;
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    held = std::exchange(held_, {});
  }
  for (const auto& each : held) each();
}

std::size_t MemorySink::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

void MemorySink::refuse_probes(std::string words) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(words);
}

void MemorySink::answer(std::uint64_t sequence, std::optional<StoreResult> result) {
  const std::lock_guard lock(mutex_);
  if (result) answers_[sequence] = *result;
  if (!result) answers_.erase(sequence);
}

std::vector<ProbeHello> MemorySink::hellos() const {
  const std::lock_guard lock(mutex_);
  return hellos_;
}

std::size_t MemorySink::goodbyes() const {
  const std::lock_guard lock(mutex_);
  return goodbyes_;
}

bool MemorySink::misused() const {
  const std::lock_guard lock(mutex_);
  return misused_;
}

std::unique_ptr<CollectorServer> serve(BatchSink& sink, CollectorConfig config) {
  if (config.listen == CollectorConfig{}.listen) config.listen = "127.0.0.1:0";
  auto server = CollectorServer::start(sink, std::move(config));
  if (!server) ADD_FAILURE() << server.error().what;
  return server ? std::move(*server) : nullptr;
}

std::string address_of(const CollectorServer& server, const std::string& host) {
  return host + ":" + std::to_string(server.port());
}

std::unique_ptr<Spool> open_spool(const Folder& folder, SpoolLimits limits) {
  auto spool = Spool::open(folder.path(), limits);
  if (!spool) ADD_FAILURE() << spool.error().what;
  return spool ? std::move(*spool) : nullptr;
}

std::string payload_of(std::uint64_t sequence, std::size_t bytes) {
  std::string payload = "batch " + std::to_string(sequence) + " ";
  payload.resize(std::max(bytes, payload.size()), 'x');
  return payload;
}

void append(Spool& spool, std::size_t batches, std::size_t bytes) {
  for (std::size_t at = 0; at < batches; ++at) {
    const std::uint64_t sequence = spool.last_sequence() + 1;
    const auto appended = spool.append(payload_of(sequence, bytes), 10, "mark " + std::to_string(sequence));
    ASSERT_TRUE(appended) << appended.error().what;
    ASSERT_EQ(appended->sequence, sequence);
  }
}

SenderConfig sender_config(const std::string& address) {
  SenderConfig config;
  config.address = address;
  config.probe = "probe-a";
  config.software = "hoptap test";
  config.backoff_min = std::chrono::milliseconds(1);
  config.backoff_max = std::chrono::milliseconds(20);
  return config;
}

std::unique_ptr<Sender> send(Spool& spool, SenderConfig config) {
  auto sender = Sender::start(spool, std::move(config));
  if (!sender) ADD_FAILURE() << sender.error().what;
  return sender ? std::move(*sender) : nullptr;
}

bool says(const Sender& sender, const std::string& words) {
  if (eventually([&] { return sender.status().error.find(words) != std::string::npos; })) return true;
  ADD_FAILURE() << "the sender says: " << sender.status().error;
  return false;
}

}  // namespace hoptap::exporting
