#include "appliance/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hoptap::appliance {

Progress::Progress(When when) : on_(when == When::kAlways || (when == When::kAuto && isatty(STDERR_FILENO) == 1)) {}

void Progress::update(const std::string& what, const capture::SourceProgress& progress) {
  constexpr std::uint32_t kCallsPerLook = 64;  // reading the clock for every batch would cost more than it shows
  if (!on_ || ++calls_ % kCallsPerLook != 0 || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::milliseconds(250);
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  constexpr double kMega = 1e6;
  const double done = static_cast<double>(progress.done_bytes) / kMega;
  std::string line = fmt::format("{}: {:.0f} MB, {:.0f} MB/s", what, done, done / seconds);
  if (progress.total_bytes > 0 && done > 0) {
    const double total = static_cast<double>(progress.total_bytes) / kMega;
    line = fmt::format("{}: {:.0f} of {:.0f} MB ({:.0f} %), {:.0f} MB/s, {:.0f} s left", what, done, total,
                       std::min(100.0, 100 * done / total), done / seconds,
                       std::max(0.0, (total - done) * seconds / done));
  }
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace hoptap::appliance
