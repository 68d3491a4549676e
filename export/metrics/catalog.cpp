#include "export/metrics/catalog.h"

namespace hoptap::exporting {
namespace {

constexpr std::string_view kClosed = "hoptap_flows_closed";

constexpr std::array<SumInfo, kCounts> kCountInfos{{
    {"requests", "hoptap_requests", "", "", "", "Requests whose exchange ended, answered or not."},
    {"responses", "hoptap_responses", "", "", "", "Responses that began, final ones only."},
    {"client_errors", "hoptap_request_errors", "error_type", "client_error", "",
     "Requests that failed, by the first of these that holds: the server says that the client is at fault "
     "(client_error) or itself (server_error), the connection was reset (reset), no response came (timeout)."},
    {"server_errors", "hoptap_request_errors", "error_type", "server_error", "", ""},
    {"timeouts", "hoptap_request_errors", "error_type", "timeout", "", ""},
    {"resets", "hoptap_request_errors", "error_type", "reset", "", ""},
    {"flows_opened", "hoptap_flows_opened", "", "", "", "Flows that began."},
    {"flows_closed_open", kClosed, "reason", "open", "", "Flows that ended, by how; open: the capture ended first."},
    {"flows_closed_normal", kClosed, "reason", "normal", "", ""},
    {"flows_closed_half_closed", kClosed, "reason", "half_closed", "", ""},
    {"flows_closed_refused", kClosed, "reason", "refused", "", ""},
    {"flows_closed_client_reset_opening", kClosed, "reason", "client_reset_opening", "", ""},
    {"flows_closed_server_reset_opening", kClosed, "reason", "server_reset_opening", "", ""},
    {"flows_closed_client_reset", kClosed, "reason", "client_reset", "", ""},
    {"flows_closed_server_reset", kClosed, "reason", "server_reset", "", ""},
    {"flows_closed_client_reset_closing", kClosed, "reason", "client_reset_closing", "", ""},
    {"flows_closed_server_reset_closing", kClosed, "reason", "server_reset_closing", "", ""},
    {"flows_closed_unanswered_syn", kClosed, "reason", "unanswered_syn", "", ""},
    {"flows_closed_unanswered_syn_ack", kClosed, "reason", "unanswered_syn_ack", "", ""},
    {"flows_closed_queue_overflow", kClosed, "reason", "queue_overflow", "", ""},
    {"flows_closed_timeout", kClosed, "reason", "timeout", "", ""},
    {"flows_closed_reused", kClosed, "reason", "reused", "", ""},
    {"flows_closed_evicted", kClosed, "reason", "evicted", "", ""},
    {"icmp_errors", "hoptap_icmp_errors", "", "", "", "ICMP errors that quote a packet of the flow."},
}};

constexpr std::string_view kCopies = "hoptap_tcp_retransmissions";

constexpr std::array<SumInfo, kWayCounts> kWayInfos{{
    {"packets", "hoptap_packets", "", "", "", "Packets."},
    {"bytes", "hoptap_bytes", "", "", "bytes", "Bytes from the innermost IP header on."},
    {"payload_bytes", "hoptap_payload_bytes", "", "", "bytes", "Bytes of TCP or UDP payload, copies included."},
    {"syn", "hoptap_tcp_flags", "flag", "syn", "", "Segments with the flag."},
    {"fin", "hoptap_tcp_flags", "flag", "fin", "", ""},
    {"rst", "hoptap_tcp_flags", "flag", "rst", "", ""},
    {"duplicates_removed", "hoptap_duplicate_packets", "", "", "", "Packets that were captured twice, counted once."},
    {"retransmissions_timeout", kCopies, "kind", "timeout", "",
     "Segments with nothing new: after a timeout, fast, a probe of the tail, or spurious; and SYNs again."},
    {"retransmissions_fast", kCopies, "kind", "fast", "", ""},
    {"retransmissions_probe", kCopies, "kind", "probe", "", ""},
    {"retransmissions_spurious", kCopies, "kind", "spurious", "", ""},
    {"syn_retransmissions", kCopies, "kind", "syn", "", ""},
    {"keep_alives", "hoptap_tcp_keep_alives", "", "", "", "Keep-alive segments."},
    {"out_of_order", "hoptap_tcp_out_of_order_segments", "", "", "", "Segments with new bytes below the highest seen."},
    {"duplicate_acks", "hoptap_tcp_duplicate_acks", "", "", "",
     "Duplicate ACKs sent by the receiver of the direction."},
    {"sack_blocks", "hoptap_tcp_sack_blocks", "", "", "", "SACK blocks sent by the receiver of the direction."},
    {"zero_windows", "hoptap_tcp_zero_windows", "", "", "", "Times that the receiver's window went to zero."},
    {"zero_window_ns", "hoptap_tcp_zero_window_seconds", "", "", "seconds", "Time that it stayed there."},
    {"window_limited_ns", "hoptap_tcp_window_limited_seconds", "", "", "seconds",
     "Time that less than a segment of the receiver's window was free."},
    {"unseen_bytes", "hoptap_tcp_unseen_bytes", "", "", "bytes", "Bytes acknowledged and never captured."},
    {"acknowledged_bytes", "hoptap_tcp_acknowledged_bytes", "", "", "bytes", "Bytes acknowledged."},
    {"ecn_congestion", "hoptap_ecn_marks", "kind", "congestion", "",
     "Packets marked with congestion (CE), and segments that echo it (ECE)."},
    {"ecn_echo", "hoptap_ecn_marks", "kind", "echo", "", ""},
    {"ttl_changes", "hoptap_ttl_changes", "", "", "", "Packets whose TTL differs from that of the one before."},
    {"in_flight_bytes_max", "hoptap_tcp_in_flight_max_bytes", "", "", "bytes",
     "Most bytes that were sent and not acknowledged.", Merge::kMax},
    {"mss_min", "hoptap_tcp_mss_min_bytes", "", "", "bytes", "Smallest MSS announced.", Merge::kMin},
    {"window_scale_max", "hoptap_tcp_window_scale_max", "", "", "", "Largest window scale announced.", Merge::kMax},
}};

constexpr std::array<SumInfo, kTimes> kTimeInfos{{
    {"latency", "hoptap_request_duration_seconds", "", "", "seconds",
     "First byte of the request to first byte of the response, at the point."},
    {"handshake_server", "hoptap_tcp_handshake_seconds", "side", "server", "seconds",
     "TCP handshake: SYN to SYN-ACK (server), SYN-ACK to ACK (client), SYN to ACK (both)."},
    {"handshake_client", "hoptap_tcp_handshake_seconds", "side", "client", "seconds", ""},
    {"handshake", "hoptap_tcp_handshake_seconds", "side", "both", "seconds", ""},
    {"server_response", "hoptap_tcp_server_response_seconds", "", "", "seconds",
     "Data of the client to its first ACK by the server: the server's kernel."},
    {"application_response", "hoptap_application_response_seconds", "", "", "seconds",
     "Last data of the client to first data of the server: the server's process."},
    {"client_idle", "hoptap_client_idle_seconds", "", "", "seconds", "Last data of the server to next of the client."},
    {"reply", "hoptap_udp_reply_seconds", "", "", "seconds", "A datagram to the first one the other way."},
    {"rtt_server", "hoptap_tcp_rtt_seconds", "direction", "to_server", "seconds",
     "Data to its ACK, seen at the point."},
    {"rtt_client", "hoptap_tcp_rtt_seconds", "direction", "to_client", "seconds", ""},
    {"rtt_timestamps_server", "hoptap_tcp_rtt_timestamps_seconds", "direction", "to_server", "seconds",
     "The same by TCP timestamps."},
    {"rtt_timestamps_client", "hoptap_tcp_rtt_timestamps_seconds", "direction", "to_client", "seconds", ""},
}};

}  // namespace

std::span<const SumInfo, kCounts> count_infos() { return kCountInfos; }
std::span<const SumInfo, kWayCounts> way_infos() { return kWayInfos; }
std::span<const SumInfo, kTimes> time_infos() { return kTimeInfos; }

}  // namespace hoptap::exporting
