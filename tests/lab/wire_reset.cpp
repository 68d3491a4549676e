#include "tests/lab/wire_reset.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>

namespace hoptap::lab {
namespace {

constexpr std::size_t kTcpBytes = 20;
constexpr std::uint8_t kResetAndAck = 0x14;

/// Where the headers of a frame begin, outermost first.
struct Layers {
  std::vector<std::size_t> ethernets, ipv4s, udps;
  std::size_t tcp = 0;
};

/// Nothing when the frame does not end in a TCP segment.
std::optional<Layers> find_layers(Bytes frame) {
  Layers layers{.ethernets = {0}, .ipv4s = {}, .udps = {}};
  if (load(frame, 12, 2) != ETHERTYPE_IP) return std::nullopt;
  std::size_t at = kEthernetBytes;
  for (std::size_t depth = 0; depth <= kTunnelDepthMax; ++depth) {
    layers.ipv4s.push_back(at);
    const std::uint32_t protocol = load(frame, at + 9, 1);
    at += (load(frame, at, 1) & 0x0fu) * 4u;
    if (protocol == IPPROTO_TCP && at + kTcpBytes <= frame.size()) {
      layers.tcp = at;
      return layers;
    }
    if (protocol == IPPROTO_IPIP) continue;
    if (protocol != IPPROTO_UDP || !is_vxlan(load(frame, at + 2, 2))) return std::nullopt;
    layers.udps.push_back(at);
    layers.ethernets.push_back(at + kUdpBytes + kVxlanBytes);
    if (load(frame, layers.ethernets.back() + 12, 2) != ETHERTYPE_IP) return std::nullopt;
    at = layers.ethernets.back() + kEthernetBytes;
  }
  return std::nullopt;
}

void store(std::vector<std::uint8_t>& frame, std::size_t at, std::size_t count, std::uint32_t value) {
  for (std::size_t byte = 0; byte < count; ++byte)
    frame[at + byte] = static_cast<std::uint8_t>(value >> 8 * (count - 1 - byte));
}

void exchange(std::vector<std::uint8_t>& frame, std::size_t at, std::size_t count) {
  const auto first = frame.begin() + static_cast<std::ptrdiff_t>(at);
  std::swap_ranges(first, first + static_cast<std::ptrdiff_t>(count), first + static_cast<std::ptrdiff_t>(count));
}

/// RFC 1071, over an even number of bytes.
std::uint32_t sum(Bytes bytes) {
  std::uint32_t total = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2) total += load(bytes, at, 2);
  return total;
}

std::uint16_t fold(std::uint32_t total) {
  while (total >> 16 != 0) total = (total & 0xffffu) + (total >> 16);
  return static_cast<std::uint16_t>(~total);
}

void turn_round(std::vector<std::uint8_t>& frame, const Layers& layers) {
  for (const std::size_t at : layers.ethernets) exchange(frame, at, 6);
  for (const std::size_t at : layers.ipv4s) exchange(frame, at + 12, 4);
  exchange(frame, layers.tcp, 2);
}

/// Lengths and checksums of all headers around the TCP segment, for the frame's size. UDP's is left out: a tunnel may
/// (RFC 7348 section 4.1).
void close_headers(std::vector<std::uint8_t>& frame, const Layers& layers) {
  for (const std::size_t at : layers.udps) {
    store(frame, at + 4, 2, static_cast<std::uint32_t>(frame.size() - at));
    store(frame, at + 6, 2, 0);
  }
  for (const std::size_t at : layers.ipv4s) {
    store(frame, at + 2, 2, static_cast<std::uint32_t>(frame.size() - at));
    store(frame, at + 10, 2, 0);
    store(frame, at + 10, 2, fold(sum(Bytes(frame).subspan(at, (frame[at] & 0x0fu) * 4u))));
  }
  const std::uint32_t pseudo = sum(Bytes(frame).subspan(layers.ipv4s.back() + 12, 8)) + IPPROTO_TCP + kTcpBytes;
  store(frame, layers.tcp + 16, 2, fold(pseudo + sum(Bytes(frame).subspan(layers.tcp))));
}

}  // namespace

std::vector<std::uint8_t> make_reset(Bytes swallowed, ResetFor reader, std::uint16_t ip_id) {
  const std::optional<Layers> layers = find_layers(swallowed);
  if (!layers) return {};
  const std::size_t tcp = layers->tcp, ip = layers->ipv4s.back();
  const std::uint32_t sequence = load(swallowed, tcp + 4, 4), ack = load(swallowed, tcp + 8, 4);
  const std::uint32_t ip_bytes = load(swallowed, ip + 2, 2);
  const std::uint32_t header_bytes = load(swallowed, tcp + 12, 1) >> 4 << 2;
  const auto payload_bytes = static_cast<std::uint32_t>(ip + ip_bytes - tcp) - header_bytes;

  const Bytes kept = swallowed.first(tcp + 4);  // up to the ports
  std::vector<std::uint8_t> frame(kept.begin(), kept.end());
  frame.resize(tcp + kTcpBytes);
  const bool back = reader == ResetFor::kSender;
  if (back) turn_round(frame, *layers);
  store(frame, ip + 4, 2, ip_id);
  frame[ip + 8] = kMiddleboxTtl;
  store(frame, tcp + 4, 4, back ? ack : sequence);
  store(frame, tcp + 8, 4, back ? sequence + payload_bytes : ack);
  store(frame, tcp + 12, 1, kTcpBytes / 4 << 4);
  store(frame, tcp + 13, 1, kResetAndAck);
  close_headers(frame, *layers);
  return frame;
}

}  // namespace hoptap::lab
