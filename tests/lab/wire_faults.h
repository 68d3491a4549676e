// Faults of single requests: which frames of a chosen request the wire delays, loses or answers with resets.
// Knows requests by the id that the frame with their first byte carries. One thread; owns what it remembers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <tuple>

#include "tests/lab/wire_frame.h"

namespace hoptap::lab {

/// The wire's two ways. Also the index of the side at which a frame comes in.
enum Side : int { kFromA = 0, kFromB = 1 };

/// What becomes of one frame because of the request it belongs to.
struct Fate {
  bool drop = false;
  bool reset = false;           ///< with `drop`: and both ends are sent a reset
  std::uint64_t extra_ns = 0;   ///< held this much longer than the direction's other frames
  const char* label = nullptr;  ///< the request's id when anything is done; valid until the next call
};

class Faults {
 public:
  static constexpr std::size_t kConnectionsMax = 65'536;  ///< followed at once; frames of further ones just pass

  /// Reads `N KIND [US]`: from now on the fault KIND for requests whose number N divides; N 0 ends it. KIND is
  /// delay-request, delay-response (all copies, by US), lose-request, lose-response (the first copy of the first
  /// frame), reset-request, reset-response (that frame is swallowed too). False: not understood, nothing changed.
  bool set(std::istream& words);

  /// The fate of a frame that came in at `side`. Frames without TCP payload always pass.
  Fate decide(Side side, const Identity& identity);

 private:
  enum class Action : std::uint8_t { kDelay, kLose, kReset };
  using ConnectionKey = std::tuple<std::uint32_t, std::uint16_t, std::uint32_t, std::uint16_t>;  // the end at A first

  /// The request that a connection is busy with.
  struct Request {
    std::array<char, 40> label{};
    bool chosen = false;
    bool struck = false;  // what is done once has been done
  };

  bool chosen(const std::array<char, 40>& label) const;

  unsigned every_ = 0;  // 0: no request is chosen
  Action action_{};
  Side side_{};  // whose frames are struck: the request's come from A
  std::uint64_t extra_ns_ = 0;
  std::map<ConnectionKey, Request> requests_;
};

}  // namespace hoptap::lab
