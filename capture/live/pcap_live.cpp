#include "capture/live/pcap_live.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <pcap/pcap.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include "capture/live/batch_sum.h"
#include "capture/live/live_config.h"
#include "capture/live/live_failure.h"
#include "capture/live/network_interface.h"
#include "capture/live/network_namespace.h"

namespace hoptap::capture {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000, kNsPerMicrosecond = 1'000;
constexpr std::size_t kBufferBytesMin = 1u << 20;  // a batch of full Ethernet frames fits
constexpr LinkType kRawIp = 101;

using Handle = std::unique_ptr<pcap_t, decltype(&pcap_close)>;

/// Adds up what libpcap counts to 2^32.
class WideCount {
 public:
  std::uint64_t add(std::uint32_t now) {
    sum_ += now - last_;  // modulo 2^32
    last_ = now;
    return sum_;
  }

 private:
  std::uint32_t last_ = 0;
  std::uint64_t sum_ = 0;
};

class PcapLive final : public LiveSource {
 public:
  PcapLive(const LiveConfig& config, Handle handle, std::optional<PacketFilter> filter, std::string complaint)
      : handle_(std::move(handle)),
        ns_per_fraction_(pcap_get_tstamp_precision(handle_.get()) == PCAP_TSTAMP_PRECISION_NANO ? 1
                                                                                                : kNsPerMicrosecond),
        timeout_ms_(static_cast<int>(config.block_timeout_ms)),
        knows_interface_drops_(config.network_namespace.empty()),
        buffer_(std::max<std::size_t>(kBufferBytesMin, config.snap_bytes + 64u)),
        watch_(pcap_fileno(handle_.get()), NamespaceFile(config.network_namespace), config.interface),
        interfaces_{Interface{.name = config.interface, .link_type = link_type(), .snap_bytes = config.snap_bytes}},
        filter_(std::move(filter)),
        complaint_(std::move(complaint)) {}

  std::size_t poll(std::span<Packet> batch) override {
    batch = batch.first(std::min(batch.size(), kBatchPackets));
    std::size_t kept = 0;
    for (unsigned round = 0; round < kFilterRoundsMax && kept == 0; ++round) {
      kept = fill(batch);
      if (kept == 0) break;
      if (filter_) kept = filter_->apply(batch.first(kept), interfaces_);
    }
    sum_.add(batch.first(kept));
    if (read_packets_ - packets_at_statistics_ > kPacketsPerLook) read_statistics();
    return kept;
  }

  bool wait(int timeout_ms) override {
    if (header_ == nullptr) wait_for_kernel(timeout_ms < 0 ? timeout_ms_ : std::min(timeout_ms, timeout_ms_));
    if (state_ != LinkState::kRunning || ++busy_waits_ >= kBusyWaitsPerLook) look();
    return !has_failed_;  // whether or not the kernel woke us: see LiveSource::fd()
  }

  void close_intake() override {
    bpf_insn none{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
    bpf_program reject_all{.bf_len = 1, .bf_insns = &none};
    pcap_setfilter(handle_.get(), &reject_all);
  }
  int fd() const override { return pcap_get_selectable_fd(handle_.get()); }
  LinkState state() const override { return state_; }
  std::span<const Interface> interfaces() const override { return interfaces_; }
  SourceProgress progress() const override { return {}; }
  std::string complaint() const override {
    const std::string unmatched = filter_ ? filter_->complaint() : "";
    return complaint_ + (complaint_.empty() || unmatched.empty() ? "" : "; ") + unmatched;
  }
  StampSource stamp_source() const override { return StampSource::kUnknown; }

  SourceCounters counters() const override {
    return {.packets = sum_.packets, .bytes = sum_.bytes, .dropped_by_capture = dropped_.value_or(0)};
  }

  LiveCounters live_counters() override {
    read_statistics();
    return {.packets = sum_.packets,
            .bytes = sum_.bytes,
            .filtered = filter_ ? filter_->filtered_packets() : 0,
            .truncated = sum_.truncated,
            .received_by_kernel = received_,
            .dropped_by_ring = dropped_,
            .ring_freezes = std::nullopt,
            .dropped_by_interface = dropped_by_interface_,
            .stamps = std::nullopt};
  }

 private:
  static constexpr std::uint64_t kPacketsPerLook = 1u << 24;  // libpcap counts to 2^32

  void wait_for_kernel(int limit_ms) {
    pollfd waited{.fd = fd(), .events = POLLIN, .revents = 0};
    // After a failure nobody takes the socket's error, and waiting for the socket would return at once.
    const int ready = ::poll(&waited, has_failed_ ? 0 : 1, limit_ms);
    if (ready == 0 || (waited.revents & POLLERR) != 0) look();
  }

  LinkType link_type() const {
    const int dlt = pcap_datalink(handle_.get());
    return dlt == DLT_RAW ? kRawIp : static_cast<LinkType>(dlt);
  }

  /// Copies what libpcap has.
  std::size_t fill(std::span<Packet> batch) {
    std::size_t used_bytes = 0, filled = 0;
    while (filled < batch.size() && (header_ != nullptr || take())) {
      const std::size_t bytes = std::min<std::size_t>(header_->caplen, buffer_.size());
      if (bytes > buffer_.size() - used_bytes) break;  // libpcap keeps it until it is asked for the next
      std::memcpy(buffer_.data() + used_bytes, data_, bytes);
      batch[filled++] = {.bytes = {buffer_.data() + used_bytes, bytes},
                         .time_ns = static_cast<std::uint64_t>(header_->ts.tv_sec) * kNsPerSecond +
                                    static_cast<std::uint64_t>(header_->ts.tv_usec) * ns_per_fraction_,
                         .wire_bytes = header_->len,
                         .interface_id = 0};
      used_bytes += bytes;
      header_ = nullptr;
    }
    read_packets_ += filled;
    return filled;
  }

  bool take() {
    if (has_failed_) return false;
    const int taken = pcap_next_ex(handle_.get(), &header_, &data_);
    if (taken == 1) return true;
    header_ = nullptr;
    if (taken < 0) {
      has_failed_ = true;
      complaint_ += fmt::format("{}{}", complaint_.empty() ? "" : "; ", pcap_geterr(handle_.get()));
      look();
    }
    return false;
  }

  void look() {
    busy_waits_ = 0;
    if (state_ != LinkState::kGone) state_ = has_failed_ ? LinkState::kGone : watch_.look();
  }

  void read_statistics() {
    packets_at_statistics_ = read_packets_;
    pcap_stat now{};
    if (pcap_stats(handle_.get(), &now) != 0) return;
    received_ = received_sum_.add(now.ps_recv);
    dropped_ = dropped_sum_.add(now.ps_drop);
    // libpcap reads these by the interface's name in our own namespace.
    if (knows_interface_drops_) dropped_by_interface_ = interface_sum_.add(now.ps_ifdrop);
  }

  Handle handle_;
  std::uint64_t ns_per_fraction_;
  int timeout_ms_;
  bool knows_interface_drops_;
  std::vector<std::uint8_t> buffer_;  ///< the packets lent
  LinkWatch watch_;
  std::array<Interface, 1> interfaces_;
  std::optional<PacketFilter> filter_;  ///< what the kernel cannot match
  std::string complaint_;
  pcap_pkthdr* header_ = nullptr;  ///< of the packet taken from libpcap and not handed out yet
  const std::uint8_t* data_ = nullptr;
  bool has_failed_ = false;
  LinkState state_ = LinkState::kRunning;
  unsigned busy_waits_ = 0;
  BatchSum sum_;
  std::uint64_t read_packets_ = 0;  ///< also those that filter_ rejected
  WideCount received_sum_, dropped_sum_, interface_sum_;
  std::optional<std::uint64_t> received_, dropped_, dropped_by_interface_;
  std::uint64_t packets_at_statistics_ = 0;
};

base::Failure activate_failure(const LiveConfig& config, pcap_t* handle, int code) {
  switch (code) {
    case PCAP_ERROR_PERM_DENIED: return privilege_failure(config.interface, CAP_NET_RAW);
    case PCAP_ERROR_NO_SUCH_DEVICE: return no_such_interface(config.interface);
    case PCAP_ERROR_IFACE_NOT_UP:
      return live_failure(config.interface, fmt::format("is down: `ip link set dev {} up`", config.interface));
    default: break;
  }
  const std::string_view detail = pcap_geterr(handle);
  return live_failure(config.interface, detail.empty() ? pcap_statustostr(code) : detail);
}

struct Opened {
  Handle handle{nullptr, &pcap_close};
  std::string complaint;
};

base::Outcome<void> set_filter(const LiveConfig& config, const std::string& kernel_filter, pcap_t* handle) {
  const auto failed = [&] {
    return tl::unexpected(filter_failure(config.interface, kernel_filter, pcap_geterr(handle)));
  };
  bpf_program program{};
  if (pcap_compile(handle, &program, kernel_filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) return failed();
  const int set = pcap_setfilter(handle, &program);
  pcap_freecode(&program);
  if (set != 0) return failed();
  return {};
}

/// In the interface's namespace.
base::Outcome<Opened> activate(const LiveConfig& config, const std::string& kernel_filter) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  Opened opened;
  opened.handle.reset(pcap_create(config.interface.c_str(), error.data()));
  pcap_t* const handle = opened.handle.get();
  if (handle == nullptr) return tl::unexpected(live_failure(config.interface, error.data()));
  const auto buffer_bytes = std::min<std::uint64_t>(std::uint64_t{config.block_bytes} * config.block_count, INT_MAX);
  pcap_set_snaplen(handle, static_cast<int>(config.snap_bytes));
  pcap_set_promisc(handle, config.is_promiscuous ? 1 : 0);
  pcap_set_timeout(handle, static_cast<int>(config.block_timeout_ms));
  pcap_set_buffer_size(handle, static_cast<int>(buffer_bytes));
  pcap_set_immediate_mode(handle, 0);
  pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);  // else microseconds
  if (config.asks_nic_time && pcap_set_tstamp_type(handle, PCAP_TSTAMP_ADAPTER_UNSYNCED) != 0) {
    opened.complaint = live_failure(config.interface, "its NIC does not stamp packets").what;
  }
  const int code = pcap_activate(handle);
  if (code < 0) return tl::unexpected(activate_failure(config, handle, code));
  if (config.ignores_outgoing && pcap_setdirection(handle, PCAP_D_IN) != 0) {
    return tl::unexpected(live_failure(config.interface, pcap_geterr(handle)));
  }
  if (auto set = set_filter(config, kernel_filter, handle); !set) return tl::unexpected(std::move(set).error());
  if (pcap_setnonblock(handle, 1, error.data()) != 0) {
    return tl::unexpected(live_failure(config.interface, error.data()));
  }
  return opened;
}

}  // namespace

base::Outcome<std::unique_ptr<LiveSource>> open_pcap_live(const LiveConfig& config) {
  if (auto checked = check_config(config); !checked) return tl::unexpected(std::move(checked).error());
  if (config.fanout) return tl::unexpected(live_failure(config.interface, "libpcap has no fanout: take the ring"));
  auto rules = split_filter(config);
  if (!rules) return tl::unexpected(std::move(rules).error());
  base::Outcome<Opened> opened = tl::unexpected(base::Failure{});
  auto entered = in_network_namespace(config.network_namespace, [&] { opened = activate(config, rules->in_kernel); });
  if (!entered) return tl::unexpected(std::move(entered).error());
  if (!opened) return tl::unexpected(std::move(opened).error());
  return std::make_unique<PcapLive>(config, std::move(opened->handle), std::move(rules->in_user_space),
                                    std::move(opened->complaint));
}

}  // namespace hoptap::capture
