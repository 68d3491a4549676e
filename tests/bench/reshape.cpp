// Makes captures out of a capture. Prints what it made, as JSON.
//
// usage: hoptap-reshape vxlan IN OUT          every frame in VXLAN between two tunnel ends, outer port by flow
//        hoptap-reshape flood IN OUT COUNT [SEED]  with COUNT SYNs of as many sources spread among its packets
//        hoptap-reshape split IN OUT OUT...   a flow's packets into one file, by a hash that is the same both ways
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "capture/file_source.h"
#include "decode/decoder.h"
#include "frames.h"

namespace {

using namespace hoptap;
using bench::CaptureWriter;

/// Calls `use(packet, decoded)` for every packet.
template <class Use>
void each_packet(const char* path, Use use) {
  auto opened = capture::open_file(path);
  if (!opened) {
    std::fprintf(stderr, "hoptap-reshape: %s %s\n", path, opened.error().what.c_str());
    std::exit(3);
  }
  decode::Decoder decoder;
  std::array<capture::Packet, capture::kBatchPackets> packets;
  std::array<decode::Decoded, capture::kBatchPackets> decoded;
  while (const std::size_t count = (*opened)->poll(packets)) {
    decoder.decode(std::span(packets).first(count), (*opened)->interfaces(), decoded);
    for (std::size_t at = 0; at < count; ++at) use(packets[at], decoded[at]);
  }
}

std::uint64_t hash_of(const base::Endpoint& end) { return base::hash_bytes(end.address.bytes, end.port); }

/// The same for both directions.
std::uint64_t flow_hash(const decode::Decoded& packet) {
  return base::hash_values(hash_of(packet.source) ^ hash_of(packet.target), packet.protocol);
}

int to_vxlan(const char* in, const char* out_path) {
  CaptureWriter out(out_path);
  constexpr std::uint32_t kPortBase = 49152, kPorts = 16384, kVxlanPort = 4789, kNetwork = 42;
  std::uint16_t ip_id = 0;
  each_packet(in, [&](const capture::Packet& packet, const decode::Decoded& decoded) {
    std::array<std::uint8_t, 50> head{};
    const std::uint32_t inner = packet.wire_bytes;
    const auto put = [&head](std::size_t at, std::uint64_t value, std::size_t bytes) {
      for (std::size_t byte = 0; byte < bytes; ++byte)
        head[at + byte] = static_cast<std::uint8_t>(value >> 8 * (bytes - 1 - byte));
    };
    const bool forth = decoded.source < decoded.target;
    put(0, forth ? 0x0200000000b2 : 0x0200000000b1, 6);
    put(6, forth ? 0x0200000000b1 : 0x0200000000b2, 6);
    put(12, 0x08004500, 4);
    put(16, inner + 36, 2);
    put(18, ++ip_id, 2);
    put(20, 0x40004011, 4);
    put(26, forth ? 0x0ac80001 : 0x0ac80002, 4);
    put(30, forth ? 0x0ac80002 : 0x0ac80001, 4);
    put(24, bench::checksum(base::Bytes(head).subspan(14, 20)), 2);
    put(34, kPortBase + flow_hash(decoded) % kPorts, 2);
    put(36, kVxlanPort, 2);
    put(38, inner + 16, 2);
    put(42, 0x08000000, 4);
    put(46, kNetwork << 8, 4);
    out.write(packet.time_ns, head, packet.bytes, inner + head.size());
  });
  std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n", out.packets(), out.bytes());
  return 0;
}

/// What is flooded, and when.
struct Target {
  std::uint64_t first_ns = 0, last_ns = 0, packets = 0;
  std::uint32_t address = 0;
  std::uint16_t port = 0;
};

/// The times of a capture and the server of its first connection over IPv4.
Target target_of(const char* in) {
  Target target;
  each_packet(in, [&](const capture::Packet& packet, const decode::Decoded& decoded) {
    if (target.packets++ == 0) target.first_ns = packet.time_ns;
    target.last_ns = packet.time_ns;
    if (target.port != 0 || decoded.outcome != decode::Outcome::kTcp || !decoded.target.address.is_v4()) return;
    const bool from_server = decoded.source.port < decoded.target.port;
    const base::Endpoint& server = from_server ? decoded.source : decoded.target;
    target.address = static_cast<std::uint32_t>(base::load_be(base::Bytes(server.address.bytes).last(4)));
    target.port = server.port;
  });
  return target;
}

/// Sources that never repeat: an odd factor walks through all 2^32 addresses.
class Sources {
 public:
  explicit Sources(std::uint64_t seed) : at_(static_cast<std::uint32_t>(bench::Random(seed).next())) {}
  std::uint32_t next() {
    while (true) {
      at_ += 2654435769u;
      const std::uint32_t mixed = (at_ ^ at_ >> 15) * 0x2c1b3c6du;
      const std::uint32_t top = mixed >> 24;
      if (top != 0 && top != 10 && top != 127 && top < 224) return mixed;
    }
  }

 private:
  std::uint32_t at_;
};

int flood(const char* in, const char* out_path, std::uint64_t count, std::uint64_t seed) {
  const Target target = target_of(in);
  CaptureWriter out(out_path);
  bench::Random random(seed);
  bench::FrameBuilder frame;
  Sources sources(seed);
  bench::Ends ends;
  ends.address[1] = target.address;
  ends.port[1] = target.port;
  const double step_ns = static_cast<double>(target.last_ns - target.first_ns) / static_cast<double>(count);
  std::uint64_t sent = 0;
  const auto time_of = [&](std::uint64_t number) {
    return target.first_ns + static_cast<std::uint64_t>(static_cast<double>(number) * step_ns);
  };
  each_packet(in, [&](const capture::Packet& packet, const decode::Decoded&) {
    for (; sent < count && time_of(sent) <= packet.time_ns; ++sent) {
      ends.address[0] = sources.next();
      ends.port[0] = static_cast<std::uint16_t>(1024 + random.below(64000));
      bench::Segment segment;
      segment.sequence = static_cast<std::uint32_t>(random.next());
      segment.flags = bench::kSyn;
      segment.timestamps = false;
      out.write(time_of(sent), frame.tcp(ends, 0, static_cast<std::uint16_t>(random.next()), segment, {}));
    }
    out.write(packet.time_ns, packet.bytes, {}, packet.wire_bytes);
  });
  std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"syns\":%" PRIu64 "}\n", out.packets(), out.bytes(),
              sent);
  return 0;
}

int split(const char* in, std::span<char*> paths) {
  std::vector<std::unique_ptr<CaptureWriter>> outs;
  for (const char* path : paths) outs.push_back(std::make_unique<CaptureWriter>(path));
  each_packet(in, [&](const capture::Packet& packet, const decode::Decoded& decoded) {
    outs[flow_hash(decoded) % outs.size()]->write(packet.time_ns, packet.bytes, {}, packet.wire_bytes);
  });
  std::string list;
  for (const auto& out : outs) list += (list.empty() ? "" : ",") + std::to_string(out->packets());
  std::printf("{\"packets\":[%s]}\n", list.c_str());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view what = count > 1 ? arguments[1] : "";
  if (what == "vxlan" && count == 4) return to_vxlan(arguments[2], arguments[3]);
  if (what == "flood" && (count == 5 || count == 6)) {
    return flood(arguments[2], arguments[3], std::strtoull(arguments[4], nullptr, 10),
                 count > 5 ? std::strtoull(arguments[5], nullptr, 10) : 1);
  }
  if (what == "split" && count > 3) return split(arguments[2], std::span(arguments + 3, arguments + count));
  std::fprintf(stderr, "usage: hoptap-reshape vxlan IN OUT | flood IN OUT COUNT [SEED] | split IN OUT OUT...\n");
  return 2;
}
