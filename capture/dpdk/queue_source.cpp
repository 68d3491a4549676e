// The source of one receive queue.
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "capture/clock.h"
#include "capture/dpdk/dpdk.h"
#include "capture/dpdk/port.h"
#include "capture/filter.h"
#include "capture/live/batch_sum.h"
#include "capture/live/live_config.h"
#include "capture/live/live_failure.h"

namespace hoptap::capture {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// While nothing comes: sleeps that double. A queue of 4096 holds 275 us of the smallest packets at 10 Gbit/s.
constexpr std::uint64_t kFirstNapNs = 10'000, kLastNapNs = 250'000;

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Where drivers put a packet's time, when they do (rte_mbuf_dyn.h).
struct StampField {
  int offset = -1;
  std::uint64_t flag = 0;

  static StampField find() {
    StampField field;
    if (::rte_mbuf_dyn_rx_timestamp_register(&field.offset, &field.flag) != 0) return {};
    return field;
  }
};

/// A thread that DPDK knows has caches of buffers of its own. The thread that started DPDK is known already.
class KnownThread {
 public:
  KnownThread() : is_ours_(::rte_lcore_id() == LCORE_ID_ANY && ::rte_thread_register() == 0) {}
  ~KnownThread() {
    if (is_ours_) ::rte_thread_unregister();
  }
  KnownThread(const KnownThread&) = delete;
  KnownThread& operator=(const KnownThread&) = delete;

 private:
  bool is_ours_;
};

class QueueSource final : public LiveSource {
 public:
  QueueSource(const LiveConfig& config, std::shared_ptr<Port> port, std::uint16_t queue,
              std::optional<PacketFilter> filter)
      : port_(std::move(port)),
        queue_(queue),
        timeout_ms_(config.block_timeout_ms),
        snap_bytes_(config.snap_bytes),
        interfaces_{Interface{.name = config.interface, .link_type = 1, .snap_bytes = config.snap_bytes}},
        filter_(std::move(filter)) {
    if (port_->ns_in_stamp() != 0) field_ = StampField::find();
    look();
  }

  ~QueueSource() override { release(); }

  std::size_t poll(std::span<Packet> batch) override {
    const thread_local KnownThread known;
    batch = batch.first(std::min(batch.size(), kBatchPackets));
    for (unsigned round = 0; round < kFilterRoundsMax; ++round) {
      if (given_ == held_count_ && take() == 0) return 0;
      const std::size_t count = lend(batch);
      const std::size_t kept = filter_ ? filter_->apply(batch.first(count), interfaces_) : count;
      sum_.add(batch.first(kept));
      if (kept > 0) return kept;
    }
    return 0;
  }

  bool wait(int timeout_ms) override {
    const thread_local KnownThread known;
    if (++waits_ % kWaitsPerLook == 0) look();
    const std::uint32_t limit_ms =
        timeout_ms < 0 ? timeout_ms_ : std::min(static_cast<std::uint32_t>(timeout_ms), timeout_ms_);
    const std::uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + limit_ms * 1'000'000ull;
    while (given_ == held_count_ && take() == 0) {
      const std::uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
      if (now_ns >= end_ns) return false;
      const std::uint64_t nap = std::min(nap_ns_, end_ns - now_ns);
      nap_ns_ = std::min(2 * nap_ns_, kLastNapNs);
      const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(nap)};
      ::nanosleep(&time, nullptr);
    }
    return true;
  }

  /// A queue cannot be closed and still be read: no more is read than it may hold now.
  void close_intake() override {
    is_closed_ = true;
    left_ = port_->descriptors();
  }

  int fd() const override { return -1; }
  LinkState state() const override { return state_; }
  std::span<const Interface> interfaces() const override { return interfaces_; }
  SourceProgress progress() const override { return {}; }

  SourceCounters counters() const override { return {.packets = sum_.packets, .bytes = sum_.bytes}; }

  LiveCounters live_counters() override {
    LiveCounters counters{.packets = sum_.packets,
                          .bytes = sum_.bytes,
                          .filtered = filter_ ? filter_->filtered_packets() : 0,
                          .truncated = sum_.truncated,
                          .stamps = stamps_};
    const std::optional<PortCounts> port = queue_ == 0 ? port_->counts() : PortCounts{};  // of all queues, once
    if (!port) return counters;
    without_buffer_ = port->no_buffer;
    if (!port_->counts_loss()) return counters;
    counters.received_by_kernel = port->received + port->missed;
    counters.dropped_by_ring = port->missed;
    counters.dropped_by_interface = port->faulty;
    return counters;
  }

  StampSource stamp_source() const override {
    if (stamps_.nic + stamps_.poll == 0) return StampSource::kUnknown;
    return stamps_.nic > stamps_.poll ? StampSource::kNic : StampSource::kPoll;
  }

  std::string complaint() const override {
    std::string all = queue_ == 0 ? port_->complaint() : "";
    const auto add = [&all](const std::string& sentence) {
      if (!all.empty() && !sentence.empty()) all += "; ";
      all += sentence;
    };
    if (filter_) add(filter_->complaint());
    if (without_buffer_ > 0)
      add("the driver found no buffer " + std::to_string(without_buffer_) + " times, and may have lost packets");
    return all;
  }

 private:
  static constexpr unsigned kWaitsPerLook = 64;

  void look() { state_ = port_->is_up() ? LinkState::kRunning : LinkState::kDown; }

  void release() {
    ::rte_pktmbuf_free_bulk(held_.data(), static_cast<unsigned>(held_count_));
    held_count_ = given_ = 0;
  }

  /// The next packets of the queue, whatever was lent before. @return how many
  std::size_t take() {
    release();
    if (is_closed_ && left_ == 0) return 0;
    held_count_ = ::rte_eth_rx_burst(port_->id(), queue_, held_.data(), static_cast<std::uint16_t>(held_.size()));
    if (held_count_ > 0) {
      taken_ns_ = clock_ns(CLOCK_REALTIME);
      nap_ns_ = kFirstNapNs;
    }
    if (is_closed_) left_ = held_count_ == 0 ? 0 : left_ - std::min(left_, held_count_);
    return held_count_;
  }

  /// Of what is held. Packets that lie in several buffers are copied together.
  std::size_t lend(std::span<Packet> batch) {
    const std::size_t count = std::min(batch.size(), held_count_ - given_);
    const std::span<rte_mbuf* const> held = std::span(held_).subspan(given_, count);
    std::size_t copied_bytes = 0;
    for (const rte_mbuf* packet : held)
      if (packet->nb_segs > 1) copied_bytes += std::min(packet->pkt_len, snap_bytes_);
    if (copied_bytes > copied_.size()) copied_.resize(copied_bytes);
    std::size_t at = 0;
    for (std::size_t n = 0; n < count; ++n) {
      const rte_mbuf* const packet = held[n];
      const std::uint32_t bytes = std::min(packet->pkt_len, snap_bytes_);
      const void* start = rte_pktmbuf_mtod(packet, const void*);
      if (packet->nb_segs > 1) {
        start = ::rte_pktmbuf_read(packet, 0, bytes, copied_.data() + at);
        at += bytes;
      }
      batch[n] = {.bytes = base::Bytes(static_cast<const std::uint8_t*>(start), bytes),
                  .time_ns = time_of(*packet),
                  .wire_bytes = packet->pkt_len,
                  .interface_id = 0};
    }
    given_ += count;
    return count;
  }

  std::uint64_t time_of(const rte_mbuf& packet) {
    if (field_.offset < 0 || (packet.ol_flags & field_.flag) == 0) {
      ++stamps_.poll;
      return taken_ns_;
    }
    ++stamps_.nic;
    std::uint64_t stamp = 0;
    std::memcpy(&stamp, reinterpret_cast<const char*>(&packet) + field_.offset, sizeof stamp);
    return std::min(stamp, InterfaceClock::kNsMax / port_->ns_in_stamp()) * port_->ns_in_stamp();
  }

  const std::shared_ptr<Port> port_;
  const std::uint16_t queue_;
  const std::uint32_t timeout_ms_;
  const std::uint32_t snap_bytes_;
  const std::array<Interface, 1> interfaces_;
  std::optional<PacketFilter> filter_;
  StampField field_;
  std::array<rte_mbuf*, kBatchPackets> held_{};
  std::size_t held_count_ = 0;
  std::size_t given_ = 0;  ///< of those held
  std::vector<std::uint8_t> copied_;
  std::uint64_t taken_ns_ = 0;  ///< when those held were taken
  std::uint64_t nap_ns_ = kFirstNapNs;
  bool is_closed_ = false;
  std::size_t left_ = 0;  ///< may still be read, once closed
  unsigned waits_ = 0;
  LinkState state_ = LinkState::kDown;
  BatchSum sum_;
  StampCounts stamps_;
  std::uint64_t without_buffer_ = 0;
};

base::Outcome<std::optional<PacketFilter>> filter_of(const LiveConfig& config) {
  if (config.filter.empty()) return std::nullopt;
  auto compiled = PacketFilter::compile(config.filter);
  if (!compiled) return tl::unexpected(filter_failure(config.interface, config.filter, compiled.error().what));
  return *std::move(compiled);
}

}  // namespace

base::Outcome<std::vector<std::unique_ptr<LiveSource>>> open_dpdk_port(const LiveConfig& config, std::size_t queues) {
  if (auto checked = check_config(config); !checked) return tl::unexpected(std::move(checked).error());
  if (!config.network_namespace.empty())
    return tl::unexpected(
        live_failure("dpdk:" + config.interface,
                     "a port of DPDK is in no network namespace; leave out " + config.network_namespace));
  std::vector<std::optional<PacketFilter>> filters;
  for (std::size_t queue = 0; queue < queues; ++queue) {
    auto filter = filter_of(config);
    if (!filter) return tl::unexpected(std::move(filter).error());
    filters.push_back(*std::move(filter));
  }
  auto port = Port::open(config, queues);
  if (!port) return tl::unexpected(std::move(port).error());
  std::vector<std::unique_ptr<LiveSource>> sources;
  for (std::size_t queue = 0; queue < queues; ++queue)
    sources.push_back(
        std::make_unique<QueueSource>(config, *port, static_cast<std::uint16_t>(queue), std::move(filters[queue])));
  return sources;
}

}  // namespace hoptap::capture
