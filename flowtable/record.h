// The records a probe exports: one LegRecord per connection and one HopRecord per exchange, as seen
// at one observation point. Plain values that own what they hold; safe to move between threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/encapsulation.h"
#include "base/ids.h"

namespace hoptap::flowtable {

/// What is true of an exchange or a leg; the value of HopRecord::flags is a sum of these.
namespace record_flag {
inline constexpr std::uint32_t kMidStream = 1u << 0;        ///< the leg was picked up without its SYN
inline constexpr std::uint32_t kHandshakeSeen = 1u << 1;    ///< SYN and SYN-ACK were seen: both ISNs are known
inline constexpr std::uint32_t kRequestMissing = 1u << 2;   ///< a response nobody here saw the request of
inline constexpr std::uint32_t kResponseMissing = 1u << 3;  ///< no response before the leg ended
inline constexpr std::uint32_t kRequestGap = 1u << 4;       ///< bytes inside the request were not captured
inline constexpr std::uint32_t kResponseGap = 1u << 5;
inline constexpr std::uint32_t kTruncated = 1u << 6;  ///< packets were cut by the snap length
inline constexpr std::uint32_t kEncrypted = 1u << 7;
inline constexpr std::uint32_t kOneDirection = 1u << 8;        ///< only one direction of the leg was captured
inline constexpr std::uint32_t kIncomplete = 1u << 9;          ///< request or response had not ended when the leg did
inline constexpr std::uint32_t kInterim = 1u << 10;            ///< an interim (1xx) response came first
inline constexpr std::uint32_t kUpgraded = 1u << 11;           ///< the leg left its protocol here (Upgrade, CONNECT)
inline constexpr std::uint32_t kHandshake = 1u << 12;          ///< a security handshake, not application data
inline constexpr std::uint32_t kCopyUncertain = 1u << 13;      ///< copies told apart by time only (no TSval, no IP-ID)
inline constexpr std::uint32_t kRequestEndUnseen = 1u << 14;   ///< the request's last byte was not captured: its
                                                               ///< last_ns is when the last captured one passed
inline constexpr std::uint32_t kResponseEndUnseen = 1u << 15;  ///< the same of the response
}  // namespace record_flag

/// A later copy of a message's first byte: a retransmission, seen at this point.
struct Copy {
  std::uint64_t delay_ns = 0;  ///< after the first copy
  std::uint32_t tsval = 0;
  std::uint16_t ip_id = 0;

  bool operator==(const Copy&) const = default;
};

/// A request or a response as it passed one point. Times are packet times of this point's clock, in
/// ns since the epoch; 0: not seen. Sequence numbers are absolute (RFC 9293), 0 for UDP.
struct MessageRecord {
  static constexpr std::size_t kCopiesMax = 4;

  std::uint64_t first_ns = 0;        ///< when the segment that first covered the first byte passed
  std::uint64_t last_ns = 0;         ///< when all of its bytes had passed
  std::uint64_t last_copy_ns = 0;    ///< when the last copy of any of its bytes passed; 0: never copied
  std::uint64_t ack_ns = 0;          ///< first acknowledgment by the receiver of all of it
  std::uint64_t ack_wait_ns = 0;     ///< longest time within it from data to the ACK of all data sent so far
  std::uint64_t ack_release_ns = 0;  ///< and from that ACK to the next data of it
  std::uint64_t bytes = 0;           ///< on the stream, captured or not
  std::uint64_t head_hash = 0;       ///< of its first bytes (at most 256) as sent; 0: not all captured
  std::uint32_t sequence = 0;        ///< of the first byte
  std::uint32_t end_sequence = 0;    ///< one past the last byte
  std::uint32_t tsval = 0;           ///< of the first copy of the first byte; 0 and 0: no timestamps
  std::uint32_t tsecr = 0;
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 0;
  std::uint8_t copies = 0;              ///< of the first byte, the first one not counted; saturates
  std::array<Copy, kCopiesMax> copy{};  ///< the first of them
  std::uint32_t retransmissions = 0;    ///< data segments of it none of whose bytes were new
  // Health of the direction this message goes, between first request byte and the end of the exchange.
  std::uint32_t out_of_order = 0;    ///< new bytes below the highest sequence number seen
  std::uint32_t duplicate_acks = 0;  ///< sent by the receiver of this direction
  std::uint32_t sack_blocks = 0;     ///< sent by the receiver of this direction
  std::uint64_t unseen_bytes = 0;    ///< acknowledged by the receiver, never captured here
  std::uint64_t zero_window_ns = 0;  ///< that the receiver kept its window at zero

  bool seen() const { return first_ns != 0; }
};

using base::IdKind;

/// An identifier found in the headers of a request or a response.
struct HeaderId {
  IdKind kind{};
  bool in_response = false;
  std::string value;

  bool operator==(const HeaderId&) const = default;
};

/// Which way a reset or a FIN went within the exchange; bits.
namespace closing {
inline constexpr std::uint8_t kClientFin = 1, kServerFin = 2, kClientReset = 4, kServerReset = 8;
}

/// The first reset (RFC 9293 section 3.5.2) that went one way during an exchange.
struct Reset {
  std::uint64_t time_ns = 0;  ///< 0: none seen
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 0;
  std::uint8_t usual_ttl = 0;  ///< of the first other packet that went this way on the leg; 0: none did

  bool seen() const { return time_ns != 0; }
  bool operator==(const Reset&) const = default;
};

/// Where the leg was seen, beside its addresses.
struct Vantage {
  base::Link link;  ///< of packets from the client
  base::TunnelStack tunnels;
};

/// Who holds a socket. Named as OpenTelemetry names what a resource is.
struct Process {
  std::uint32_t pid = 0;     ///< process.pid: of the whole process, not of a thread, as the probe's host counts
  std::string name;          ///< process.executable.name: the kernel's, at most 15 bytes
  std::string container_id;  ///< container.id; "": it is in none that is known

  bool operator==(const Process&) const = default;
};

/// The processes at the ends of a connection that end on the probe's host; null: not known. Packets do not tell, so the
/// flow table leaves them null and the probe fills them in. Shared by records, never changed.
struct Processes {
  std::shared_ptr<const Process> client;
  std::shared_ptr<const Process> server;
};

/// One exchange (request and response) at one point.
struct HopRecord {
  std::uint32_t point = 0;      ///< observation point, see PointTable of the reader
  std::uint64_t leg_id = 0;     ///< hash of the 5-tuple, ISN or first sequence number, and wire within the point
  std::uint64_t record_id = 0;  ///< unique and ascending within a point
  std::uint32_t flags = 0;      ///< record_flag
  std::uint8_t transport = 6;   ///< IP protocol number
  std::uint8_t closing = 0;     ///< closing bits seen between request and end of the exchange
  base::Endpoint client;
  base::Endpoint server;
  Vantage vantage;
  Processes processes;
  std::uint32_t client_isn = 0;  ///< when kHandshakeSeen
  std::uint32_t server_isn = 0;
  MessageRecord request;
  MessageRecord response;
  Reset to_server_reset;
  Reset to_client_reset;

  std::string protocol;      ///< "http", "dns", "tls", "opaque" (OpenTelemetry network.protocol.name)
  std::string method;        ///< HTTP method, DNS opcode name
  std::string resource;      ///< HTTP target, DNS name
  std::string endpoint;      ///< HTTP Host, DNS type, TLS server name
  std::uint32_t status = 0;  ///< HTTP status code, DNS rcode
  bool has_status = false;
  std::uint64_t key = 0;             ///< the protocol's own id of the exchange (DNS id); 0: none
  std::uint64_t canonical_hash = 0;  ///< of method, resource and endpoint
  std::vector<HeaderId> ids;
};

/// How a leg ended.
enum class CloseType : std::uint8_t { kOpen, kFin, kReset, kIdle, kReused, kEvicted };

/// One connection (TCP) or conversation (UDP) at one point.
struct LegRecord {
  struct Direction {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;         ///< L4 payload on the wire, copies included
    std::uint64_t unseen_bytes = 0;  ///< acknowledged, never captured: completeness = 1 - unseen/acknowledged
    std::uint64_t acknowledged_bytes = 0;
    std::uint32_t retransmissions = 0;
    std::uint32_t out_of_order = 0;
    std::uint32_t syn_copies = 0;          ///< SYN or SYN-ACK packets beyond the first
    std::uint32_t duplicates_removed = 0;  ///< the same packet captured twice
    std::uint8_t ttl = 0;                  ///< of the first packet
  };
  std::uint32_t point = 0;
  std::uint64_t leg_id = 0;
  std::uint32_t flags = 0;
  std::uint8_t transport = 6;
  std::uint8_t closing = 0;
  CloseType close = CloseType::kOpen;
  base::Endpoint client;
  base::Endpoint server;
  Vantage vantage;
  Processes processes;
  std::uint32_t client_isn = 0;
  std::uint32_t server_isn = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  std::uint64_t syn_ns = 0;           ///< first SYN; 0: not seen
  std::uint64_t syn_ack_ns = 0;       ///< first SYN-ACK
  std::uint64_t ack_ns = 0;           ///< first ACK of the SYN-ACK
  std::uint64_t syn_fingerprint = 0;  ///< hash of the SYN's options as sent
  std::uint64_t exchanges = 0;
  std::string protocol;
  Direction to_server;
  Direction to_client;
};

}  // namespace hoptap::flowtable
