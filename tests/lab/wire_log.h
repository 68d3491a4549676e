// The wire's log: what it did to each frame. Stays in memory until it is dumped. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "tests/lab/wire_frame.h"

namespace hoptap::lab {

struct Entry {
  std::uint64_t ingress_ns = 0;
  std::uint64_t egress_ns = 0;  // 0 when the frame never left
  int direction = 0;
  const char* action = "";  // forwarded, duplicated (second copy), dropped, failed (send refused), injected
  std::size_t frame_bytes = 0;
  Identity identity;
};

class Log {
 public:
  static constexpr std::size_t kEntriesMax = 4u << 20;  ///< more are counted, and lost

  void add(const Entry& entry);

  /// Writes every entry as one line of tab-separated fields and empties the log. False: `path` cannot be written.
  bool dump(const std::string& path);

 private:
  std::deque<Entry> entries_;
  std::size_t refused_ = 0;
};

}  // namespace hoptap::lab
