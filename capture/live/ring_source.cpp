#include "capture/live/ring_source.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "capture/filter.h"
#include "capture/live/batch_sum.h"
#include "capture/live/live_config.h"
#include "capture/live/live_failure.h"
#include "capture/live/network_interface.h"
#include "capture/live/network_namespace.h"
#include "capture/live/ring_socket.h"
#include "capture/live/ring_walk.h"

namespace hoptap::capture {
namespace {

constexpr LinkType kEthernet = 1;

RingRules rules_of(const LiveConfig& config, const RingSocket& socket) {
  return {.restores_vlan = socket.interface().link_type == kEthernet,
          .drops_outgoing = socket.interface().is_loopback || (config.ignores_outgoing && !socket.ignores_outgoing())};
}

class RingSource final : public LiveSource {
 public:
  RingSource(const LiveConfig& config, RingSocket socket, NamespaceFile file, std::optional<PacketFilter> filter)
      : block_timeout_ms_(static_cast<int>(config.block_timeout_ms)),
        socket_(std::move(socket)),
        walk_(socket_.memory(), config.block_bytes, rules_of(config, socket_)),
        watch_(socket_.fd(), std::move(file), config.interface),
        filter_(std::move(filter)),
        interfaces_{Interface{
            .name = config.interface, .link_type = socket_.interface().link_type, .snap_bytes = config.snap_bytes}},
        state_(watch_.look()) {}

  std::size_t poll(std::span<Packet> batch) override {
    batch = batch.first(std::min(batch.size(), kBatchPackets));
    std::size_t kept = 0;
    for (unsigned round = 0; round < kFilterRoundsMax && kept == 0; ++round) {
      kept = walk_.poll(batch);
      read_packets_ += kept;
      if (kept == 0) break;
      if (filter_) kept = filter_->apply(batch.first(kept), interfaces_);
    }
    sum_.add(batch.first(kept));
    if (walk_.counts().losing_blocks != losing_blocks_ || read_packets_ - packets_at_statistics_ > kPacketsPerLook) {
      read_statistics();
    }
    return kept;
  }

  bool wait(int timeout_ms) override {
    if (walk_.has_work()) {
      if (++busy_waits_ >= kBusyWaitsPerLook) look();
      return true;
    }
    pollfd waited{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
    const int limit_ms = timeout_ms < 0 ? block_timeout_ms_ : std::min(timeout_ms, block_timeout_ms_);
    const int ready = ::poll(&waited, 1, limit_ms);
    const bool has_error = ready > 0 && (waited.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    if (has_error) socket_.clear_error();
    if (has_error || state_ == LinkState::kDown || (ready == 0 && watch_.watches_namespace())) look();
    return walk_.has_work();
  }

  void close_intake() override { socket_.reject_all(); }
  int fd() const override { return socket_.fd(); }
  LinkState state() const override { return state_; }
  std::span<const Interface> interfaces() const override { return interfaces_; }
  SourceProgress progress() const override { return {}; }

  SourceCounters counters() const override {
    return {.packets = sum_.packets, .bytes = sum_.bytes, .dropped_by_capture = statistics_.dropped};
  }

  LiveCounters live_counters() override {
    read_statistics();
    const RingCounts& walked = walk_.counts();
    return {.packets = sum_.packets,
            .bytes = sum_.bytes,
            .filtered = walked.filtered + (filter_ ? filter_->filtered_packets() : 0),
            .truncated = sum_.truncated,
            .unreadable = walked.unreadable,
            .received_by_kernel = statistics_.received,
            .dropped_by_ring = statistics_.dropped,
            .ring_freezes = statistics_.freezes,
            .dropped_by_interface = std::nullopt,
            .stamps = walked.stamps};
  }

  StampSource stamp_source() const override {
    const StampCounts& stamps = walk_.counts().stamps;
    const std::uint64_t most = std::max({stamps.nic, stamps.kernel, stamps.ring});
    if (most == 0) return StampSource::kUnknown;
    if (stamps.nic == most) return StampSource::kNic;
    return stamps.kernel == most ? StampSource::kKernel : StampSource::kRing;
  }

  std::string complaint() const override {
    std::string all;
    const auto add = [&all](std::string_view sentence) {
      if (!all.empty() && !sentence.empty()) all += "; ";
      all += sentence;
    };
    add(socket_.nic_time_complaint());
    if (filter_) add(filter_->complaint());
    if (walk_.counts().unreadable > 0) {
      add(fmt::format("{} packets could not be found in the ring", walk_.counts().unreadable));
    }
    return all;
  }

 private:
  static constexpr std::uint64_t kPacketsPerLook = 1u << 24;  // the kernel counts to 2^32

  void look() {
    busy_waits_ = 0;
    if (state_ != LinkState::kGone) state_ = watch_.look();
  }

  void read_statistics() {
    statistics_ = socket_.read_statistics();
    losing_blocks_ = walk_.counts().losing_blocks;
    packets_at_statistics_ = read_packets_;
  }

  int block_timeout_ms_;
  RingSocket socket_;
  RingWalk walk_;
  LinkWatch watch_;
  std::optional<PacketFilter> filter_;  ///< what the kernel cannot match
  std::array<Interface, 1> interfaces_;
  LinkState state_;
  unsigned busy_waits_ = 0;
  BatchSum sum_;
  RingStatistics statistics_;
  std::uint64_t read_packets_ = 0;  ///< also those that filter_ rejected
  std::uint64_t packets_at_statistics_ = 0;
  std::uint64_t losing_blocks_ = 0;
};

}  // namespace

base::Outcome<std::unique_ptr<LiveSource>> open_ring(const LiveConfig& config) {
  if (auto checked = check_config(config); !checked) return tl::unexpected(std::move(checked).error());
  auto rules = split_filter(config);
  if (!rules) return tl::unexpected(std::move(rules).error());
  NamespaceFile file(config.network_namespace);
  base::Outcome<RingSocket> socket = tl::unexpected(base::Failure{});
  auto entered =
      in_network_namespace(config.network_namespace, [&] { socket = RingSocket::open(config, rules->in_kernel); });
  if (!entered) return tl::unexpected(std::move(entered).error());
  if (!socket) return tl::unexpected(std::move(socket).error());
  return std::make_unique<RingSource>(config, *std::move(socket), std::move(file), std::move(rules->in_user_space));
}

}  // namespace hoptap::capture
