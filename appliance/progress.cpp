#include "appliance/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hoptap::appliance {

Progress::Progress(When when) : on_(when == When::kAlways || (when == When::kAuto && isatty(STDERR_FILENO) == 1)) {}

Progress::When Progress::when_of(std::string_view word) {
  if (word == "always") return When::kAlways;
  return word == "never" ? When::kNever : When::kAuto;
}

bool Progress::is_due() {
  constexpr std::uint32_t kCallsPerLook = 64;  // reading the clock for every batch would cost more than it shows
  if (!on_ || ++calls_ % kCallsPerLook != 0 || Clock::now() < next_) return false;
  next_ = Clock::now() + std::chrono::milliseconds(250);
  return true;
}

void Progress::update(const std::string& what, const capture::SourceProgress& progress) {
  if (!is_due()) return;
  constexpr double kMega = 1e6;
  const double done = static_cast<double>(progress.done_bytes) / kMega;
  std::string line = fmt::format("{}: {:.0f} MB, {:.0f} MB/s", what, done, done / seconds());
  if (progress.total_bytes > 0 && done > 0) {
    const double total = static_cast<double>(progress.total_bytes) / kMega;
    line = fmt::format("{}: {:.0f} of {:.0f} MB ({:.0f} %), {:.0f} MB/s, {:.0f} s left", what, done, total,
                       std::min(100.0, 100 * done / total), done / seconds(),
                       std::max(0.0, (total - done) * seconds() / done));
  }
  draw(line);
}

void Progress::update(const std::string& what, double done) {
  if (!is_due()) return;
  std::string line = fmt::format("{}: {:.0f} %", what, 100 * done);
  if (done > 0) line += fmt::format(", {:.0f} s left", seconds() * (1 - done) / done);
  draw(line);
}

void Progress::show(const std::string& line) {
  if (on_) draw(line);
}

void Progress::draw(const std::string& line) {
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace hoptap::appliance
