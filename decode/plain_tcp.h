// TCP in the short cut of plain.h: without options, or with the usual timestamps. Private to decode/.
#pragma once

#include "decode/plain_ip.h"
#include "decode/tcp.h"

namespace hoptap::decode::plain {

/// A segment with so many bytes of options, all of which were captured.
template <std::size_t kOptionsBytes>
HOPTAP_PLAIN void write_tcp(const std::uint8_t* header, Decoded& out) {
  static_assert(offsetof(Decoded, l4_checksum) + 2 == offsetof(Decoded, tcp));
  static_assert(offsetof(Decoded, payload_wire_bytes) + 8 == offsetof(Decoded, tcp));
  static_assert(offsetof(Tcp, sequence) == 8 && offsetof(Tcp, window) == 16 && offsetof(Tcp, flags) == 20);
  static_assert(offsetof(Tcp, sack_left) == 24);
  const __m128i fields = load(header);  // ports, sequence, acknowledgment, offset, flags, window
  if constexpr (kOptionsBytes > 0) {
    store(
        place(out, offsetof(Decoded, tcp) - 8),
        _mm_shuffle_epi8(load(header + 16), _mm_setr_epi8(k0, k0, k0, k0, k0, k0, 1, 0, 11, 10, 9, 8, 15, 14, 13, 12)));
  } else {
    out.l4_checksum = be16({header, TcpView::kHeaderBytesMin}, 16);
    out.tcp.tsval = out.tcp.tsecr = 0;
  }
  store(place(out, offsetof(Decoded, tcp) + offsetof(Tcp, sequence)),
        _mm_shuffle_epi8(fields, _mm_setr_epi8(7, 6, 5, 4, 11, 10, 9, 8, 15, 14, k0, k0, 13, k0, k0, k0)));
  static_assert(offsetof(Tcp, has_timestamps) == offsetof(Tcp, sack_left) + 8);
  constexpr char kHasTimestamps = kOptionsBytes > 0 ? 1 : 0;  // no SACK, nor is it permitted
  store(place(out, offsetof(Decoded, tcp) + offsetof(Tcp, sack_left)),
        _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, kHasTimestamps, 0, 0, 0, 0, 0, 0, 0));
  out.tcp.options = {header + TcpView::kHeaderBytesMin, kOptionsBytes};
}

template <class Ip, std::size_t kOptionsBytes>
HOPTAP_PLAIN Found read_tcp_with(const Slice& packet, std::uint64_t depth, Decoded& out) {
  write_headers<Ip, Outcome::kTcp>(packet, out);
  write_tcp<kOptionsBytes>(packet.bytes.data() + Ip::kHeaderBytes, out);
  write_payload(packet.behind(Ip::kHeaderBytes + TcpView::kHeaderBytesMin + kOptionsBytes), depth, out);
  return Found::kTcp;
}

/// Reads an IP packet that holds a segment.
template <class Ip>
HOPTAP_PLAIN Found read_tcp(const Slice& packet, std::uint64_t depth, Decoded& out) {
  constexpr std::size_t kOptionsAt = Ip::kHeaderBytes + TcpView::kHeaderBytesMin, kTimestampsBytes = 12;
  constexpr std::uint8_t kNoOptions = 0x50, kTwelveBytes = 0x80;  // data offset in words, reserved bits clear
  const std::uint8_t* const ip = packet.bytes.data();
  const std::uint8_t* const offset = ip + Ip::kHeaderBytes + 12;
  if (packet.has(kOptionsAt + kTimestampsBytes) && *offset == kTwelveBytes) [[likely]] {
    if (word(ip + kOptionsAt) != wire(kPaddedTimestamps)) return Found::kOther;
    return read_tcp_with<Ip, kTimestampsBytes>(packet, depth, out);
  }
  if (!packet.has(kOptionsAt) || *offset != kNoOptions) return Found::kOther;
  return read_tcp_with<Ip, 0>(packet, depth, out);
}

}  // namespace hoptap::decode::plain
