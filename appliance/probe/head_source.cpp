#include "appliance/probe/head_source.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "bpf-optional/head_tap.h"
#include "capture/filter.h"
#include "capture/live/batch_sum.h"
#include "capture/live/descriptor.h"
#include "capture/live/live_config.h"
#include "capture/live/live_failure.h"
#include "capture/live/network_interface.h"
#include "capture/live/network_namespace.h"

namespace hoptap::appliance {
namespace {

using capture::LinkState;

constexpr capture::LinkType kEthernet = 1;

/// What is opened in the interface's namespace.
struct Parts {
  capture::Descriptor socket;  ///< gets no packets: it tells what becomes of the interface
  capture::NetworkInterface interface;
  std::unique_ptr<bpf::HeadTap> tap;
};

/// A namespace that stays to be entered, whatever becomes of its name.
class OpenNamespace {
 public:
  explicit OpenNamespace(const std::string& path)
      : is_own_(path.empty()), file_(is_own_ ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  /// "": that of the caller.
  std::string path() const { return is_own_ ? "" : fmt::format("/proc/self/fd/{}", file_.get()); }

 private:
  bool is_own_;
  capture::Descriptor file_;
};

class HeadSource final : public capture::LiveSource {
 public:
  HeadSource(const capture::LiveConfig& config, Parts parts, capture::NamespaceFile file,
             std::optional<capture::PacketFilter> filter)
      : namespace_(config.network_namespace),
        every_ms_(static_cast<int>(config.block_timeout_ms)),
        parts_(std::move(parts)),
        watch_(parts_.socket.get(), std::move(file), config.interface),
        filter_(std::move(filter)),
        interfaces_{capture::Interface{
            .name = config.interface, .link_type = parts_.interface.link_type, .snap_bytes = config.snap_bytes}},
        state_(watch_.look()) {}

  ~HeadSource() override {
    if (!parts_.tap->is_filter()) return;
    // By its descriptor: the name may stand for another one by now.
    const auto entered = capture::in_network_namespace(namespace_.path(), [this] { parts_.tap.reset(); });
    if (!entered) static_cast<void>(parts_.tap.release());  // rather leave a filter than take off another's
  }
  HeadSource(const HeadSource&) = delete;
  HeadSource& operator=(const HeadSource&) = delete;

  std::size_t poll(std::span<capture::Packet> batch) override {
    batch = batch.first(std::min(batch.size(), capture::kBatchPackets));
    std::size_t kept = 0;
    for (unsigned round = 0; round < capture::kFilterRoundsMax && kept == 0; ++round) {
      kept = parts_.tap->poll(batch);
      if (kept == 0) break;
      if (filter_) kept = filter_->apply(batch.first(kept), interfaces_);
    }
    sum_.add(batch.first(kept));
    return kept;
  }

  bool wait(int timeout_ms) override {
    if (++waits_ % kWaitsPerLook == 0 && state_ != LinkState::kGone) state_ = watch_.look();
    return parts_.tap->wait(timeout_ms < 0 ? every_ms_ : std::min(timeout_ms, every_ms_), every_ms_);
  }

  void close_intake() override { parts_.tap->close_intake(); }
  int fd() const override { return -1; }  // nobody is woken: wait()
  LinkState state() const override { return state_; }
  std::span<const capture::Interface> interfaces() const override { return interfaces_; }
  capture::SourceProgress progress() const override { return {}; }
  std::string complaint() const override { return filter_ ? filter_->complaint() : ""; }

  capture::SourceCounters counters() const override {
    return {.packets = sum_.packets, .bytes = sum_.bytes, .dropped_by_capture = parts_.tap->counts().dropped};
  }

  capture::LiveCounters live_counters() override {
    const bpf::HeadTapCounts counts = parts_.tap->counts();
    return {.packets = sum_.packets,
            .bytes = sum_.bytes,
            .filtered = filter_ ? filter_->filtered_packets() : 0,
            .truncated = sum_.truncated,
            .unreadable = counts.unreadable,
            .received_by_kernel = counts.seen,
            .dropped_by_ring = counts.dropped,
            .ring_freezes = std::nullopt,
            .dropped_by_interface = std::nullopt,
            .stamps = capture::StampCounts{.ring = sum_.packets}};
  }

  capture::StampSource stamp_source() const override {
    return sum_.packets == 0 ? capture::StampSource::kUnknown : capture::StampSource::kRing;
  }

 private:
  static constexpr unsigned kWaitsPerLook = 8;

  OpenNamespace namespace_;
  int every_ms_;
  Parts parts_;
  capture::LinkWatch watch_;
  std::optional<capture::PacketFilter> filter_;
  std::array<capture::Interface, 1> interfaces_;
  LinkState state_;
  unsigned waits_ = 0;
  capture::BatchSum sum_;
};

base::Outcome<Parts> open_parts(const capture::LiveConfig& config, bpf::HeadTapConfig tap) {
  auto opened = capture::open_interface(config.interface);
  if (!opened) return tl::unexpected(std::move(opened).error());
  auto& [socket, interface] = *opened;
  sockaddr_ll address{};  // protocol 0 stays: bound, and nothing is received
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface.index;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return tl::unexpected(capture::system_failure(config.interface, "cannot bind", errno));
  tap.interface_index = interface.index;
  tap.is_ethernet = interface.link_type == kEthernet;
  // What passes on `lo` goes out and comes in; the outgoing copy is left out.
  tap.takes_outgoing = !config.ignores_outgoing && !interface.is_loopback;
  auto tapped = bpf::HeadTap::open(tap);
  if (!tapped)
    return tl::unexpected(
        capture::live_failure(config.interface, tapped.error().what + "; `capture: ring` does without"));
  return Parts{std::move(socket), interface, std::move(*tapped)};
}

}  // namespace

base::Outcome<std::unique_ptr<capture::LiveSource>> open_head_source(const capture::LiveConfig& config,
                                                                     std::uint32_t head_bytes, bool only_by_filter) {
  if (auto checked = check_config(config); !checked) return tl::unexpected(std::move(checked).error());
  if (config.fanout)
    return tl::unexpected(capture::live_failure(config.interface, "eBPF has no fanout: take the ring"));
  std::optional<capture::PacketFilter> filter;
  if (!config.filter.empty()) {
    auto compiled = capture::PacketFilter::compile(config.filter);
    if (!compiled) return tl::unexpected(capture::live_failure(config.interface, compiled.error().what));
    filter = *std::move(compiled);
  }
  const bpf::HeadTapConfig tap{.head_bytes = head_bytes,
                               .snap_bytes = config.snap_bytes,
                               .ring_bytes = std::uint64_t{config.block_bytes} * config.block_count,
                               .only_by_filter = only_by_filter};
  capture::NamespaceFile file(config.network_namespace);
  base::Outcome<Parts> parts = tl::unexpected(base::Failure{});
  auto entered = capture::in_network_namespace(config.network_namespace, [&] { parts = open_parts(config, tap); });
  if (!entered) return tl::unexpected(std::move(entered).error());
  if (!parts) return tl::unexpected(std::move(parts).error());
  return std::make_unique<HeadSource>(config, *std::move(parts), std::move(file), std::move(filter));
}

}  // namespace hoptap::appliance
