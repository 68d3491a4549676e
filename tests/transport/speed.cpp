// How fast batches go from spool to sink over loopback: transport_speed [BATCHES] [BYTES EACH]. Not a test.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "tests/transport/rig.h"

namespace {

using namespace hoptap::exporting;

/// Says yes and forgets, so that the transport alone is measured.
class NullSink final : public BatchSink {
 public:
  hoptap::base::Outcome<std::uint64_t> welcome(const ProbeHello&) override { return 0; }
  void store(const ProbeHello&, ReceivedBatch&&, std::function<void(StoreResult)> stored) override { stored({}); }
  void goodbye(const ProbeHello&) override {}
};

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

void say(const char* what, std::size_t batches, std::size_t bytes, double took, double cpu) {
  std::printf("%-28s %9.0f batches/s %8.1f MB/s %8.1f us CPU per batch\n", what, static_cast<double>(batches) / took,
              static_cast<double>(batches * bytes) / took / 1e6, cpu / static_cast<double>(batches) * 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t batches = argc > 1 ? static_cast<std::size_t>(std::atoll(argv[1])) : 10'000;
  const std::size_t bytes = argc > 2 ? static_cast<std::size_t>(std::atoll(argv[2])) : 64u << 10;
  const Folder folder;
  NullSink sink;
  const auto server = serve(sink);
  const auto spool = open_spool(folder, {.bytes_max = 1ull << 40});
  double begun = seconds();
  double cpu = cpu_seconds();
  for (std::size_t at = 0; at < batches; ++at) {
    if (!spool->append(payload_of(at + 1, bytes), 100, "mark")) return 1;
  }
  say("append to the spool", batches, bytes, seconds() - begun, cpu_seconds() - cpu);
  begun = seconds();
  cpu = cpu_seconds();
  const auto sender = send(*spool, sender_config(address_of(*server)));
  if (!sender->drain(std::chrono::hours(1))) return 1;
  say("spool to sink, acknowledged", batches, bytes, seconds() - begun, cpu_seconds() - cpu);
  std::printf("%llu acknowledgements for %zu batches\n", static_cast<unsigned long long>(sender->status().acks),
              batches);
  return 0;
}
