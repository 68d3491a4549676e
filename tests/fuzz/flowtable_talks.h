// Packets for the flow table's fuzz target: bytes choose which end of which of a few flows says what, and the flow's
// own state makes it fit, nearly: handshakes, segments around what was sent and acknowledged, copies, holes, twins,
// tunnels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "decode/decoded.h"

namespace hoptap::fuzz {

inline constexpr std::array<std::string_view, 16> kTexts{
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /x HTTP/1.1\r\nContent-Length: 40\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx-request-id: 7\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
    "HTTP/1.1 304 N\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
    {"\x17\x03\x03\x00\x04xxxx\x17\x03\x03\x00\x10", 14},
    {"\x16\x03\x01\x00\x09\x01\x00\x00\x05\x03\x03rrr", 14},
    {"\x00\x17\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04host\x00\x00\x01\x00\x01", 25},
    {"\x00\x17\x00\x01\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04host\x00\x00\x01\x00\x01", 25},
    {"\x00\x01\x02\x03 any bytes at all, forty of them, or so", 41},
    "GET /a path that has no end and that is longer than the longest head that is waited for, which is not that long "
    "after all",
};

/// Makes packets of what the bytes say.
class Talks {
 public:
  explicit Talks(base::ByteCursor& in) : in_(in) {
    for (std::size_t at = 0; at < flows_.size(); ++at)
      for (End& end : flows_[at].ends) end.next = end.acked = at % 2 == 0 ? 0xffffff80u : 1000u;
  }

  bool more() const { return in_.rest().size() >= 3; }

  decode::Decoded next() {
    constexpr std::array<std::uint64_t, 8> kWaits{0, 1000, 100'000, 3'000'000, 60'000'000, 210'000'000, 600'000'000, 0};
    const std::uint8_t who = in_.u8(), what = in_.u8(), how = in_.u8();
    if ((how & 0x07) == 7) {
      leap(in_.u8());
    } else {
      now_ns_ += kWaits[how & 0x07];
    }
    if (what >= 0xf8 && copies_ < 64) {  // the packet before once more, as another wire shows it or as it was
      ++copies_;
      last_.time_ns = now_ns_;
      if ((what & 1) != 0) last_.ttl = static_cast<std::uint8_t>(last_.ttl - 1);
      if ((what & 2) != 0) last_.link.source.bytes[5] ^= what;
      return last_;
    }
    copies_ = 0;
    Flow& flow = flows_[who % kFlows];
    decode::Decoded packet = between(who, how);
    if (who % kFlows == kUdpFlow || who % kFlows == kUdpFlow + 1) {
      datagram(packet, what);
    } else {
      segment(packet, flow, (who & 0x80) != 0 ? 1 : 0, what);
    }
    if ((who & 0x60) == 0x60) error_about(packet);
    return last_ = packet;
  }

 private:
  static constexpr std::size_t kFlows = 8, kUdpFlow = 5;
  struct End {
    std::uint32_t next = 0, acked = 0;
  };
  struct Flow {
    std::array<End, 2> ends;
  };

  void leap(std::uint8_t how) {
    constexpr std::uint64_t kDay = 86'400'000'000'000;
    switch (how & 7) {
      case 0: now_ns_ += kDay; break;
      case 1: now_ns_ -= std::min<std::uint64_t>(now_ns_, 1'000'000'000); break;
      case 2: now_ns_ -= std::min<std::uint64_t>(now_ns_, kDay); break;
      case 3: now_ns_ = 0; break;
      case 4: now_ns_ = how & 8 ? ~std::uint64_t{0} : ~std::uint64_t{0} - 50'000'000; break;
      default: now_ns_ = 1'700'000'000'000'000'000; break;
    }
  }

  decode::Decoded between(std::uint8_t who, std::uint8_t how) {
    constexpr std::array<std::uint16_t, kFlows> kPorts{80, 443, 53, 9000, 80, 53, 5353, 80};
    decode::Decoded packet;
    packet.time_ns = now_ns_;
    packet.source.address.bytes[15] = 1;
    packet.target.address.bytes[15] = 2;
    if (who % kFlows != 3)  // that one is IPv6
      for (base::Endpoint* one : {&packet.source, &packet.target})
        one->address.bytes[10] = one->address.bytes[11] = 0xff;
    packet.source.port = static_cast<std::uint16_t>(40000 + who % kFlows);
    packet.target.port = kPorts[who % kFlows];
    if ((who & 0x80) != 0) std::swap(packet.source, packet.target);
    packet.ttl = (who & 0x10) != 0 ? 63 : 64;
    packet.ip_id = (how & 0x20) != 0 ? std::uint16_t{0} : ++ip_id_;
    packet.ip_bytes = 60;
    packet.traffic_class = how >> 6;
    if ((who & 0x08) != 0) {
      packet.tunnels.depth = 1;
      packet.tunnels.layers[0].id = how & 0x18;
    }
    return packet;
  }

  void datagram(decode::Decoded& packet, std::uint8_t what) {
    packet.outcome = decode::Outcome::kUdp;
    packet.protocol = 17;
    text_.assign(kTexts[(what & 0x80) != 0 ? 13 : 12].substr(2));
    text_[1] = static_cast<char>(what & 0x0f);  // the id
    text_[13] = static_cast<char>('a' + (what >> 4 & 3));
    if ((what & 0x40) != 0) text_.resize(what & 0x1f);
    carry(packet, text_);
  }

  void segment(decode::Decoded& packet, Flow& flow, std::size_t from, std::uint8_t what) {
    End& own = flow.ends[from];
    const End& other = flow.ends[1 - from];
    packet.outcome = decode::Outcome::kTcp;
    packet.protocol = 6;
    decode::Tcp& tcp = packet.tcp;
    tcp.flags = decode::tcp_flag::kAck;
    tcp.sequence = own.next;
    own.acked = other.next;
    tcp.acknowledgment = own.acked;
    tcp.window = 4096;
    const std::uint8_t detail = (what & 0x0f) > 9 ? in_.u8() : std::uint8_t{0};
    const std::string_view text = kTexts[what >> 4];
    switch (what & 0x0f) {
      case 0:
        tcp.flags = from == 0 ? 2 : 0x12;
        --tcp.sequence;
        tcp.has_window_scale = true;
        break;
      case 1: break;  // an acknowledgment
      case 2:
      case 3:
      case 4:
      case 5:
      case 6: send(packet, own, text); break;
      case 7: tcp.flags |= decode::tcp_flag::kFin; break;
      case 8: tcp.flags = decode::tcp_flag::kRst; break;
      case 9: own.next += what; break;  // what is not captured
      case 10: tcp.sequence += static_cast<std::uint32_t>(static_cast<std::int8_t>(detail)), carry(packet, text); break;
      case 11: tcp.acknowledgment += static_cast<std::uint32_t>(static_cast<std::int8_t>(detail)); break;
      case 12: send(packet, own, text.substr(0, 1 + detail % text.size())); break;
      case 13: send(packet, own, text.substr(detail % text.size())); break;
      case 14:
        stamp(tcp, detail);
        send(packet, own, text);
        break;
      default:
        tcp.sack_blocks = detail & 3;
        tcp.window = static_cast<std::uint16_t>(detail >> 4);
        tcp.acknowledgment -= detail & 0x0cu;
        break;
    }
    if ((detail & 0xe0) == 0xe0 && !packet.payload.empty())
      packet.payload = packet.payload.first(detail % packet.payload.size());
  }

  void stamp(decode::Tcp& tcp, std::uint8_t detail) {
    tcp.has_timestamps = true;
    tcp.tsval = static_cast<std::uint32_t>(now_ns_ / 1'000'000);
    tcp.tsecr = tcp.tsval - (detail & 0x1f);
  }

  void send(decode::Decoded& packet, End& own, std::string_view text) {
    carry(packet, text);
    own.next += packet.payload_wire_bytes;
  }

  static void carry(decode::Decoded& packet, std::string_view text) {
    packet.payload = base::as_bytes(text);
    packet.payload_wire_bytes = static_cast<std::uint32_t>(text.size());
    packet.ip_bytes += packet.payload_wire_bytes;
  }

  static void error_about(decode::Decoded& packet) {
    packet.icmp.quoted = {packet.source, packet.target, packet.protocol, true};
    packet.outcome = decode::Outcome::kIcmp;
  }

  base::ByteCursor& in_;
  std::array<Flow, kFlows> flows_;
  std::uint64_t now_ns_ = 1'700'000'000'000'000'000;
  std::uint16_t ip_id_ = 0;
  std::string text_;
  decode::Decoded last_;
  int copies_ = 0;
};

}  // namespace hoptap::fuzz
