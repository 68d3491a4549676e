#include "capture/live/live_config.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cctype>
#include <utility>

#include "capture/bpf_program.h"
#include "capture/live/live_failure.h"

namespace hoptap::capture {
namespace {

constexpr std::uint32_t kBlockTimeoutMsMax = 1000;  // old kernels keep 16 bits of it

/// The kernel takes page after page before it gives up, from everybody.
std::uint64_t ring_bytes_max() {
  struct sysinfo host {};
  return sysinfo(&host) == 0 ? std::uint64_t{host.totalram} * host.mem_unit / 2 : UINT64_MAX;
}

bool names_vlan(std::string_view expression) {
  const auto is_letter = [expression](std::size_t at) {
    return at < expression.size() &&
           (std::isalnum(static_cast<unsigned char>(expression[at])) != 0 || expression[at] == '_');
  };
  constexpr std::string_view kWord = "vlan";
  for (std::size_t at = expression.find(kWord); at != expression.npos; at = expression.find(kWord, at + 1)) {
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + kWord.size())) return true;
  }
  return false;
}

}  // namespace

base::Outcome<void> check_config(const LiveConfig& config) {
  const auto wrong = [&config](std::string_view what) { return tl::unexpected(live_failure(config.interface, what)); };
  const auto page_bytes = static_cast<std::uint32_t>(sysconf(_SC_PAGESIZE));
  if (config.block_bytes < kBlockBytesMin || config.block_bytes % page_bytes != 0) {
    return wrong(fmt::format("block_bytes {}: must be a multiple of {} and at least {}", config.block_bytes, page_bytes,
                             kBlockBytesMin));
  }
  if (config.block_count < 2) return wrong(fmt::format("block_count {}: must be at least 2", config.block_count));
  const std::uint64_t ring_bytes = std::uint64_t{config.block_bytes} * config.block_count;
  if (const std::uint64_t max = ring_bytes_max(); ring_bytes > max) {
    return wrong(fmt::format("a ring of {} MiB is more than half of this host's memory: at most {} blocks of {} bytes",
                             ring_bytes >> 20, max / config.block_bytes, config.block_bytes));
  }
  if (config.block_timeout_ms < 1 || config.block_timeout_ms > kBlockTimeoutMsMax) {
    return wrong(fmt::format("block_timeout_ms {}: must be 1 to {}", config.block_timeout_ms, kBlockTimeoutMsMax));
  }
  if (config.snap_bytes < 1 || config.snap_bytes > kWholePacketBytes) {
    return wrong(fmt::format("snap_bytes {}: must be 1 to {}", config.snap_bytes, kWholePacketBytes));
  }
  return {};
}

base::Outcome<FilterSplit> split_filter(const LiveConfig& config) {
  FilterSplit split{.in_kernel = config.filter, .in_user_space = std::nullopt};
  if (!names_vlan(config.filter)) return split;
  auto compiled = PacketFilter::compile(config.filter);
  if (!compiled) return tl::unexpected(live_failure(config.interface, compiled.error().what));
  return FilterSplit{.in_kernel = "", .in_user_space = *std::move(compiled)};
}

std::uint16_t fanout_group(std::uint32_t nth) {
  return static_cast<std::uint16_t>(static_cast<std::uint32_t>(getpid()) * 8 + nth);
}

}  // namespace hoptap::capture
