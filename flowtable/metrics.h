// What a flow did in one interval: the TCP metrics, each defined in docs/metrics.md. Plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "flowtable/record.h"

namespace hoptap::flowtable {

/// Times of one kind, in ns.
struct Times {
  std::uint32_t count = 0;
  std::uint64_t sum_ns = 0;
  std::uint64_t min_ns = UINT64_MAX;  ///< so when count is 0
  std::uint64_t max_ns = 0;

  void add(std::uint64_t ns) {
    min_ns = std::min(min_ns, ns);
    max_ns = std::max(max_ns, ns);
    sum_ns += ns;
    ++count;
  }
  bool operator==(const Times&) const = default;
};

/// What was sent one way, and what its receiver answered to it.
struct DirectionMetrics {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;          ///< from the innermost IP header on, on the wire
  std::uint64_t payload_bytes = 0;  ///< L4 payload on the wire, copies included
  std::uint32_t syn = 0;            ///< segments with SYN: SYNs to the server, SYN-ACKs to the client
  std::uint32_t fin = 0;
  std::uint32_t rst = 0;
  std::uint32_t duplicates_removed = 0;  ///< the same packet captured twice

  // Copies: segments with nothing new. Each is counted in exactly one of these.
  std::uint32_t retransmissions_timeout = 0;   ///< RFC 6298: after a silence of about the timeout
  std::uint32_t retransmissions_fast = 0;      ///< RFC 5681, 6675, 8985: the receiver had told of a hole
  std::uint32_t retransmissions_probe = 0;     ///< RFC 8985 section 7: the tail, sent again sooner than a timeout
  std::uint32_t retransmissions_spurious = 0;  ///< the receiver had acknowledged all of it before it passed here
  std::uint32_t syn_retransmissions = 0;       ///< SYN again (to the server), SYN-ACK again (to the client)
  std::uint32_t keep_alives = 0;               ///< RFC 9293 section 3.8.4; no retransmissions
  std::uint32_t out_of_order = 0;              ///< new bytes below the highest sequence number seen

  // By the receiver of this direction.
  std::uint32_t duplicate_acks = 0;  ///< RFC 5681 section 2
  std::uint32_t sack_blocks = 0;     ///< RFC 2018
  std::uint32_t zero_windows = 0;    ///< times its window went to zero
  std::uint64_t zero_window_ns = 0;
  std::uint64_t window_limited_ns = 0;  ///< that less than one MSS of its window was free

  std::uint64_t unseen_bytes = 0;  ///< acknowledged, never captured: completeness = 1 - unseen / acknowledged
  std::uint64_t acknowledged_bytes = 0;
  std::uint32_t in_flight_bytes_max = 0;  ///< sent and not acknowledged, as seen here
  std::uint16_t mss = 0;                  ///< announced by the sender (RFC 9293 section 3.7.1); 0: not seen
  std::uint8_t window_scale = 0;          ///< announced by the sender (RFC 7323)
  std::uint32_t ecn_congestion = 0;       ///< packets marked CE (RFC 3168 section 5)
  std::uint32_t ecn_echo = 0;             ///< segments without SYN with ECE (RFC 3168 section 6.1)
  std::uint32_t ttl_changes = 0;          ///< packets whose TTL differs from that of the one before
  Times rtt;                              ///< from data of this direction to its ACK, seen at the point and back
  Times rtt_timestamps;                   ///< the same by TSval and TSecr (RFC 7323 section 4)

  /// Segments of data that had nothing new.
  std::uint32_t retransmissions() const {
    return retransmissions_timeout + retransmissions_fast + retransmissions_probe + retransmissions_spurious;
  }
};

/// How a flow ended, in more words than CloseType.
enum class CloseReason : std::uint8_t {
  kOpen,                ///< it has not, as far as was seen
  kNormal,              ///< FIN from both ends
  kHalfClosed,          ///< FIN from one end, then silence
  kRefused,             ///< the server answered the SYN with a reset
  kClientResetOpening,  ///< the client reset before its handshake was done
  kServerResetOpening,  ///< the server did, after its SYN-ACK
  kClientReset,         ///< the client reset the open connection
  kServerReset,
  kClientResetClosing,  ///< the client reset after a FIN
  kServerResetClosing,
  kUnansweredSyn,     ///< no answer to the SYN
  kUnansweredSynAck,  ///< no answer to the SYN-ACK
  kQueueOverflow,     ///< the server sent its SYN-ACK again and again though the client had answered it
  kTimeout,           ///< silence
  kReused,            ///< another connection began on its ports
  kEvicted,           ///< let go to stay within memory
};
inline constexpr std::size_t kCloseReasons = 16;
std::string_view close_reason_name(CloseReason reason);  ///< "normal", "refused", ... (metric label)

/// What one flow did since the last report of it, or as a whole.
struct FlowMetrics {
  std::uint32_t point = 0;
  std::uint8_t transport = 6;  ///< IP protocol number
  base::Endpoint client;
  base::Endpoint server;
  std::string_view protocol;   ///< of the application, a static string; "" when not known
  std::uint64_t first_ns = 0;  ///< first and last packet in it
  std::uint64_t last_ns = 0;
  bool opened = false;  ///< the flow began in it
  bool closed = false;  ///< and ended in it, by `close`
  CloseReason close = CloseReason::kOpen;

  DirectionMetrics to_server;
  DirectionMetrics to_client;
  Times handshake_server;         ///< SYN to SYN-ACK: the way from the point to the server and back
  Times handshake_client;         ///< SYN-ACK to ACK: the way from the point to the client and back
  Times handshake;                ///< SYN to ACK
  Times server_response;          ///< request data to its first ACK (kernel) by the server
  Times application_response;     ///< last data of the client to first data of the server (process)
  Times client_idle;              ///< last data of the server to next data of the client
  Times reply;                    ///< UDP: a datagram to the first one the other way
  std::uint32_t icmp_errors = 0;  ///< ICMP errors that quote a packet of this flow
};

}  // namespace hoptap::flowtable
