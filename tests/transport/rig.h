// What the transport's tests share: folders that go away, a sink that remembers, streams that may send anything.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "export/transport/collector_server.h"
#include "export/transport/sender.h"
#include "export/transport/spool.h"

namespace hoptap::exporting {

inline constexpr std::chrono::seconds kLong{60};  // never reached when all is well

/// A folder that is gone at the end of the test.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& name = "spool") const { return root_ + "/" + name; }

 private:
  std::string root_;
};

/// Looks again and again until `condition` holds; false after kLong.
bool eventually(const std::function<bool()>& condition);

/// Stores in memory, as durable as this object.
class MemorySink : public BatchSink {
 public:
  ~MemorySink() override { release(); }

  base::Outcome<std::uint64_t> welcome(const ProbeHello& hello) override;
  void store(const ProbeHello& hello, ReceivedBatch&& batch, std::function<void(StoreResult)> stored) override;
  void goodbye(const ProbeHello& hello) override;

  std::map<std::uint64_t, std::string> batches() const;  ///< of all instances
  std::size_t count() const;
  bool wait_for(std::size_t batches) const;
  void hold();     ///< answers nothing until release()
  void release();  ///< answers all that was held, in another order than it came
  std::size_t held() const;
  void refuse_probes(std::string words);
  void answer(std::uint64_t sequence, std::optional<StoreResult> result);  ///< instead of storing; none: store again
  std::vector<ProbeHello> hellos() const;
  std::size_t goodbyes() const;
  bool misused() const;  ///< calls of one probe overlapped, or a batch came twice or backwards

 private:
  void settle(const ProbeHello& hello, ReceivedBatch&& batch, const std::function<void(StoreResult)>& stored);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, std::map<std::uint64_t, std::string>> stored_;
  std::map<std::string, bool> failing_;  ///< by instance: something was unavailable since its welcome
  std::set<std::string> present_;
  std::vector<std::function<void()>> held_;
  std::map<std::uint64_t, StoreResult> answers_;
  std::string refusal_;
  std::vector<ProbeHello> hellos_;
  std::size_t goodbyes_ = 0;
  bool holding_ = false;
  bool misused_ = false;
};

/// A server on a port of the kernel's choice.
std::unique_ptr<CollectorServer> serve(BatchSink& sink, CollectorConfig config = {});
std::string address_of(const CollectorServer& server, const std::string& host = "127.0.0.1");

std::unique_ptr<Spool> open_spool(const Folder& folder, SpoolLimits limits = {});
void append(Spool& spool, std::size_t batches, std::size_t bytes = 100);
std::string payload_of(std::uint64_t sequence, std::size_t bytes = 100);
SenderConfig sender_config(const std::string& address);
std::unique_ptr<Sender> send(Spool& spool, SenderConfig config);

/// The sender's error once it has `words` in it.
bool says(const Sender& sender, const std::string& words);

}  // namespace hoptap::exporting
