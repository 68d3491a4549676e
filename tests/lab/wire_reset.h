// Resets as a middlebox between the switches sends them: in the place of one end, from where it stands.
// Builds frames from a frame that passes; owns what it returns.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/lab/wire_frame.h"

namespace hoptap::lab {

constexpr std::uint8_t kMiddleboxTtl = 64;  ///< of a packet that has passed no router yet: the hosts' own have

/// Which end of the connection gets the reset, as seen from the frame that is swallowed.
enum class ResetFor : std::uint8_t {
  kReceiver,  ///< says in the sender's name that there is nothing more: sequence number of the swallowed bytes
  kSender,    ///< answers in the receiver's name: sequence number is what the sender has acknowledged
};

/// A reset with the tunnel, addresses and ports of `swallowed`, which carries a TCP segment. The sequence number is the
/// very next one its reader waits for, so that it is obeyed (RFC 5961 section 3.2). Empty when there is no TCP inside.
std::vector<std::uint8_t> make_reset(Bytes swallowed, ResetFor reader, std::uint16_t ip_id);

}  // namespace hoptap::lab
