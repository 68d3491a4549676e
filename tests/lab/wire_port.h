// One end of the cable: a raw socket on a network interface, whose frames carry the kernel's own stamps.
// All times are nanoseconds of CLOCK_REALTIME, the clock that packet captures use. One thread per port.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "tests/lab/wire_frame.h"

namespace hoptap::lab {

std::uint64_t now_ns();

/// A frame as it came in; the bytes are borrowed until the next receive().
struct Received {
  std::uint64_t time_ns = 0;  ///< the kernel's stamp
  Bytes frame;
};

class Port {
 public:
  /// `name` is NAMESPACE/INTERFACE, the namespace as `ip netns` names it. Ends the program with a word on standard
  /// error when it cannot be opened. Leaves the thread in that namespace.
  explicit Port(const std::string& name);
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  int descriptor() const { return descriptor_; }

  /// The next waiting frame, or nothing.
  std::optional<Received> receive();

  /// Sends at once. When the frame left, or 0 if the kernel refused it.
  std::uint64_t send(Bytes frame);

 private:
  int descriptor_ = -1;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace hoptap::lab
