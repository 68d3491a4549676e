// Frames with true checksums and a pcap file to put them into: what the traffic generators write with.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hoptap::bench {

/// The same numbers from the same seed with every compiler and library (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>((next() >> 32) * limit >> 32); }
  bool one_in(std::uint32_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

/// A little-endian pcap file of Ethernet frames with times in ns. Ends the program when it cannot write.
class CaptureWriter {
 public:
  explicit CaptureWriter(const std::string& path);
  ~CaptureWriter();
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  /// A frame in two parts. `wire_bytes`: its length on the wire; 0: as captured.
  void write(std::uint64_t time_ns, base::Bytes head, base::Bytes rest = {}, std::size_t wire_bytes = 0);

  std::uint64_t packets() const { return packets_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void put(const void* data, std::size_t bytes);

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
};

/// Where a conversation takes place; index 0 of a pair is the client.
struct Ends {
  bool v6 = false;
  std::array<std::uint32_t, 2> address{};  ///< IPv4; for IPv6 the last four bytes behind 2001:db8::
  std::array<std::uint16_t, 2> port{};
  std::array<std::uint16_t, 2> vlan{};  ///< outermost first; 0: none
};

inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kPsh = 0x08, kAck = 0x10;

struct Segment {
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::uint8_t flags = 0;
  bool timestamps = true;
};

/// Builds one frame at a time; what it returns is gone with the next one.
class FrameBuilder {
 public:
  base::Bytes tcp(const Ends& ends, std::size_t sender, std::uint16_t ip_id, const Segment& segment,
                  std::string_view payload);
  base::Bytes udp(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::string_view payload);
  /// An echo request of the client or its reply.
  base::Bytes icmp_echo(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::uint16_t sequence);

 private:
  void u8(std::uint32_t value) { frame_[used_++] = static_cast<std::uint8_t>(value); }
  void u16(std::uint32_t value);
  void u32(std::uint32_t value);
  void text(std::string_view bytes);
  /// Ethernet and IP; returns where the IP header begins.
  std::size_t begin(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::uint8_t protocol,
                    std::size_t payload_bytes);
  /// Fills in the checksum of the transport header that begins at `at`.
  base::Bytes end(const Ends& ends, std::uint8_t protocol, std::size_t at, std::size_t checksum_at);

  std::array<std::uint8_t, 2048> frame_{};
  std::size_t used_ = 0;
};

/// The Internet checksum (RFC 1071) of bytes on top of a sum so far.
std::uint16_t checksum(base::Bytes bytes, std::uint32_t sum = 0);

}  // namespace hoptap::bench
