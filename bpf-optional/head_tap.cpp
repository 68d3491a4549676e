#include "bpf-optional/head_tap.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "bpf-optional/attachment.h"
#include "bpf-optional/clock_offset.h"
#include "bpf-optional/head_record.h"
#include "bpf-optional/mapping.h"
#include "bpf-optional/program.h"
#include "bpf-optional/ring_reader.h"

namespace hoptap::bpf {
namespace {

static_assert(sizeof(head_cpu) == 64, "a cache line");

/// One more than the highest number that a CPU may have, for those are what the program counts by; of more than
/// HEAD_CPUS_MAX, that and one.
std::uint32_t possible_cpus() {
  static const std::uint32_t cpus = [] {
    std::string list;  // "0-3,8-11"
    std::getline(std::ifstream("/sys/devices/system/cpu/possible"), list);
    const std::size_t last = list.find_last_of("-,");
    const std::string number = list.substr(last == std::string::npos ? 0 : last + 1);
    std::uint32_t highest = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), highest);
    if (error != std::errc()) highest = static_cast<std::uint32_t>(std::max(1l, ::sysconf(_SC_NPROCESSORS_CONF)) - 1);
    return std::min<std::uint32_t>(highest, HEAD_CPUS_MAX) + 1;
  }();
  return cpus;
}

class OpenTap final : public HeadTap {
 public:
  OpenTap(Object object, std::uint32_t chunk_count)
      : object_(std::move(object)),
        ring_bytes_(std::size_t{chunk_count} * HEAD_CHUNK_BYTES),
        ring_(bpf_map__fd(find_map(object_.get(), "chunks")), ring_bytes_),
        shared_(bpf_map__fd(find_map(object_.get(), ".bss")), sizeof(head_shared)) {}

  bool begin() {
    if (!ring_.is_mapped() || !shared_.is_mapped()) return false;
    reader_.emplace(RingMemory{.shared = shared(),
                               .chunks = ring_.start(),
                               .chunk_count = static_cast<std::uint32_t>(ring_bytes_ / HEAD_CHUNK_BYTES),
                               .cpus = possible_cpus()});
    offset_.look();
    return true;
  }
  int program() const { return program_fd(object_.get()); }
  void hold(std::unique_ptr<Attachment> attachment) { attachment_ = std::move(attachment); }

  std::size_t poll(std::span<capture::Packet> batch) override { return reader_->poll(batch, offset_.ns()); }

  bool wait(int timeout_ms, int every_ms) override {
    offset_.look();
    if (reader_->has_work()) return true;
    const bool is_busy = most_waiting_ > ring_bytes_ / 8;
    const int nap_ms = std::min(timeout_ms, is_busy ? 1 : every_ms);
    const timespec nap{.tv_sec = nap_ms / 1000, .tv_nsec = nap_ms % 1000 * 1'000'000L};
    ::nanosleep(&nap, nullptr);
    most_waiting_ = reader_->waiting_bytes();
    return reader_->has_work();
  }

  void close_intake() override {
    for (head_cpu& one : std::span(shared()->cpus).first(possible_cpus())) std::atomic_ref(one.is_closed).store(1);
  }

  HeadTapCounts counts() const override {
    HeadTapCounts sum{.unreadable = reader_->unreadable()};
    for (head_cpu& one : std::span(shared()->cpus).first(possible_cpus())) {
      sum.dropped += std::atomic_ref(one.no_room).load();
      sum.unreadable += std::atomic_ref(one.unreadable).load();
      sum.seen += std::atomic_ref(one.seen).load();
    }
    const std::uint64_t nested = std::atomic_ref(shared()->nested).load();
    sum.dropped += nested;
    sum.seen += nested;
    return sum;
  }

  bool is_filter() const override { return attachment_->way() == AttachWay::kFilter; }

 private:
  head_shared* shared() const { return reinterpret_cast<head_shared*>(shared_.start()); }

  Object object_;
  std::size_t ring_bytes_;
  Mapping ring_, shared_;
  std::optional<RingReader> reader_;
  ClockOffset offset_;
  std::size_t most_waiting_ = 0;
  std::unique_ptr<Attachment> attachment_;
};

base::Outcome<void> set(bpf_object* object, const HeadTapConfig& config) {
  constexpr unsigned kEthernetBytes = 14;
  const head_settings settings{.link_bytes = config.is_ethernet ? kEthernetBytes : 0,
                               .head_bytes = config.head_bytes,
                               .answer_bytes = config.answer_bytes(),
                               .other_bytes = std::max(config.head_bytes, HeadTapConfig::kHeadBytes),
                               .snap_bytes = std::min(config.snap_bytes, HeadTapConfig::kSnapBytesMax)};
  if (const int error = bpf_map__set_initial_value(find_map(object, ".rodata"), &settings, sizeof(settings));
      error != 0)
    return tl::unexpected(refusal("cannot set the eBPF program", -error));
  return {};
}

base::Outcome<Object> load_tap(const HeadTapConfig& config, std::uint32_t chunk_count) {
  if (possible_cpus() > HEAD_CPUS_MAX)
    return tl::unexpected(
        base::Failure{.what = fmt::format("eBPF: counts for {} processors, there are more", int{HEAD_CPUS_MAX})});
  auto object = open_object(kHeadTapObject, "head_tap");
  if (!object) return object;
  if (auto done = set(object->get(), config); !done) return tl::unexpected(std::move(done).error());
  bpf_map__set_max_entries(find_map(object->get(), "chunks"), chunk_count);
  if (auto done = load_object(object->get()); !done) return tl::unexpected(std::move(done).error());
  return object;
}

}  // namespace

std::uint64_t HeadTap::ring_bytes(std::uint64_t asked_bytes) {
  constexpr std::uint64_t kRingBytesMax = std::uint64_t{HeadTapConfig::kRingMibMax} << 20, kChunksPerCpuMin = 2;
  const std::uint64_t chunks = std::min(asked_bytes, kRingBytesMax) / HEAD_CHUNK_BYTES;
  return std::max<std::uint64_t>(chunks, kChunksPerCpuMin * possible_cpus()) * HEAD_CHUNK_BYTES;
}

base::Outcome<std::unique_ptr<HeadTap>> HeadTap::open(const HeadTapConfig& config) {
  const auto chunk_count = static_cast<std::uint32_t>(ring_bytes(config.ring_bytes) / HEAD_CHUNK_BYTES);
  auto object = load_tap(config, chunk_count);
  if (!object) return tl::unexpected(std::move(object).error());
  auto tap = std::make_unique<OpenTap>(std::move(*object), chunk_count);
  if (!tap->begin()) return tl::unexpected(refusal("cannot map the ring of the eBPF program", errno));
  auto attached = Attachment::attach(tap->program(), config.interface_index, config.takes_outgoing,
                                     config.only_by_filter ? AttachWay::kFilter : AttachWay::kLink);
  if (!attached) return tl::unexpected(std::move(attached).error());
  tap->hold(std::move(*attached));
  return tap;
}

base::Outcome<std::string> try_programs() {
  auto tap = load_tap({}, 1);
  if (!tap) return tl::unexpected(std::move(tap).error());
  auto fanout = load_fanout_program();
  if (!fanout) return tl::unexpected(std::move(fanout).error());
  ::close(*fanout);
  return "programs load";
}

}  // namespace hoptap::bpf
