#include "capture/dpdk/eal_log.h"

#include <rte_log.h>

#include <cstdio>
#include <deque>
#include <mutex>
#include <string_view>

namespace hoptap::capture {
namespace {

constexpr std::size_t kLinesMax = 4, kLineBytesMax = 200;

/// DPDK's threads write, ours reads.
struct Log {
  std::mutex mutex;
  std::deque<std::string> lines;
};

Log& the_log() {
  static auto* const log = new Log;  // DPDK may write until the very end
  return *log;
}

ssize_t write_log(void*, const char* bytes, std::size_t count) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  std::string_view rest(bytes, count);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (!line.empty()) log.lines.emplace_back(line.substr(0, kLineBytesMax));
    if (log.lines.size() > kLinesMax) log.lines.pop_front();
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  return static_cast<ssize_t>(count);
}

}  // namespace

void take_dpdk_log() {
  std::FILE* const stream =
      ::fopencookie(nullptr, "w", {.read = nullptr, .write = write_log, .seek = nullptr, .close = nullptr});
  if (stream == nullptr) return;
  std::setvbuf(stream, nullptr, _IOLBF, BUFSIZ);
  ::rte_openlog_stream(stream);
}

std::string dpdk_log() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  std::string text;
  for (const std::string& line : log.lines) text += (text.empty() ? "" : "; ") + line;
  log.lines.clear();
  return text;
}

}  // namespace hoptap::capture
