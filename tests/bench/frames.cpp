#include "frames.h"

#include <cassert>
#include <cstdlib>
#include <cstring>

namespace hoptap::bench {
namespace {

constexpr std::uint8_t kProtocolTcp = 6, kProtocolUdp = 17, kProtocolIcmp = 1, kProtocolIcmp6 = 58;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(3);
}

/// Whole 16-bit words added up; the last byte of an odd number counts as the high one.
std::uint32_t sum_of(base::Bytes bytes, std::uint32_t sum) {
  std::uint64_t total = sum;
  std::size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) total += static_cast<std::uint32_t>(bytes[at] << 8 | bytes[at + 1]);
  if (at < bytes.size()) total += static_cast<std::uint32_t>(bytes[at] << 8);
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return static_cast<std::uint32_t>(total);
}

std::uint8_t echo_protocol(const Ends& ends) { return ends.v6 ? kProtocolIcmp6 : kProtocolIcmp; }

}  // namespace

std::uint64_t Random::next() {
  std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
  return mixed ^ mixed >> 31;
}

std::uint16_t checksum(base::Bytes bytes, std::uint32_t sum) { return static_cast<std::uint16_t>(~sum_of(bytes, sum)); }

CaptureWriter::CaptureWriter(const std::string& path) : file_(std::fopen(path.c_str(), "wb"), std::fclose) {
  if (!file_) give_up(path.c_str());
  std::setvbuf(file_.get(), nullptr, _IOFBF, 1u << 20);
  const std::array<std::uint32_t, 6> header{0xa1b23c4d, 4u << 16 | 2u, 0, 0, 262144, 1};
  put(header.data(), sizeof header);
}

CaptureWriter::~CaptureWriter() {
  if (std::fflush(file_.get()) != 0) give_up("a capture could not be written");
}

void CaptureWriter::put(const void* data, std::size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) give_up("a capture could not be written");
}

void CaptureWriter::write(std::uint64_t time_ns, base::Bytes head, base::Bytes rest, std::size_t wire_bytes) {
  const std::size_t captured = head.size() + rest.size();
  const std::array<std::uint32_t, 4> header{
      static_cast<std::uint32_t>(time_ns / kNsPerSecond), static_cast<std::uint32_t>(time_ns % kNsPerSecond),
      static_cast<std::uint32_t>(captured), static_cast<std::uint32_t>(wire_bytes == 0 ? captured : wire_bytes)};
  put(header.data(), sizeof header);
  put(head.data(), head.size());
  if (!rest.empty()) put(rest.data(), rest.size());
  ++packets_;
  bytes_ += captured;
}

void FrameBuilder::u16(std::uint32_t value) {
  u8(value >> 8 & 0xff);
  u8(value & 0xff);
}

void FrameBuilder::u32(std::uint32_t value) {
  u16(value >> 16);
  u16(value & 0xffff);
}

void FrameBuilder::text(std::string_view bytes) {
  assert(used_ + bytes.size() <= frame_.size());
  std::memcpy(frame_.data() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

std::size_t FrameBuilder::begin(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::uint8_t protocol,
                                std::size_t payload_bytes) {
  constexpr std::uint32_t kDontFragment = 0x4000, kTtl = 64;
  used_ = 0;
  for (const std::size_t end : {1 - sender, sender}) {
    u16(0x0200);
    u32(static_cast<std::uint32_t>(end + 1));
  }
  const bool stacked = ends.vlan[1] != 0;
  for (std::size_t tag = 0; tag < ends.vlan.size() && ends.vlan[tag] != 0; ++tag) {
    u16(tag == 0 && stacked ? 0x88a8 : 0x8100);
    u16(ends.vlan[tag]);
  }
  u16(ends.v6 ? 0x86dd : 0x0800);
  const std::size_t at = used_;
  if (ends.v6) {
    u32(6u << 28);
    u16(static_cast<std::uint32_t>(payload_bytes));
    u8(protocol);
    u8(kTtl);
    for (const std::size_t end : {sender, 1 - sender}) {
      u32(0x20010db8);
      u32(0);
      u32(0);
      u32(ends.address[end]);
    }
    return at;
  }
  u16(0x4500);
  u16(static_cast<std::uint32_t>(20 + payload_bytes));
  u16(ip_id);
  u16(kDontFragment);
  u8(kTtl);
  u8(protocol);
  u16(0);
  u32(ends.address[sender]);
  u32(ends.address[1 - sender]);
  const std::uint16_t sum = checksum(base::Bytes(frame_).subspan(at, 20));
  frame_[at + 10] = static_cast<std::uint8_t>(sum >> 8);
  frame_[at + 11] = static_cast<std::uint8_t>(sum & 0xff);
  return at;
}

base::Bytes FrameBuilder::end(const Ends& ends, std::uint8_t protocol, std::size_t at, std::size_t checksum_at) {
  const base::Bytes transport = base::Bytes(frame_).subspan(at, used_ - at);
  std::uint32_t sum = 0;
  if (protocol != kProtocolIcmp) {  // the pseudo header
    const std::size_t address_bytes = ends.v6 ? 32 : 8;
    sum = sum_of(base::Bytes(frame_).subspan(at - address_bytes, address_bytes),
                 static_cast<std::uint32_t>(protocol + transport.size()));
  }
  std::uint16_t value = checksum(transport, sum);
  if (value == 0 && protocol == kProtocolUdp) value = 0xffff;
  frame_[at + checksum_at] = static_cast<std::uint8_t>(value >> 8);
  frame_[at + checksum_at + 1] = static_cast<std::uint8_t>(value & 0xff);
  return base::Bytes(frame_).first(used_);
}

base::Bytes FrameBuilder::tcp(const Ends& ends, std::size_t sender, std::uint16_t ip_id, const Segment& segment,
                              std::string_view payload) {
  constexpr std::uint32_t kWindow = 64240;
  const bool opens = (segment.flags & kSyn) != 0;
  const std::size_t option_bytes = (opens ? 8u : 0u) + (segment.timestamps ? 12u : 0u);
  begin(ends, sender, ip_id, kProtocolTcp, 20 + option_bytes + payload.size());
  const std::size_t at = used_;
  u16(ends.port[sender]);
  u16(ends.port[1 - sender]);
  u32(segment.sequence);
  u32(segment.acknowledgment);
  u8(static_cast<std::uint32_t>(5 + option_bytes / 4) << 4);
  u8(segment.flags);
  u16(kWindow);
  u32(0);
  if (opens) {
    u32(0x020405b4);  // MSS 1460
    u32(0x01030307);  // window scale 7
  }
  if (segment.timestamps) {
    u32(0x0101080a);
    u32(segment.tsval);
    u32(segment.tsecr);
  }
  text(payload);
  return end(ends, kProtocolTcp, at, 16);
}

base::Bytes FrameBuilder::udp(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::string_view payload) {
  begin(ends, sender, ip_id, kProtocolUdp, 8 + payload.size());
  const std::size_t at = used_;
  u16(ends.port[sender]);
  u16(ends.port[1 - sender]);
  u16(static_cast<std::uint32_t>(8 + payload.size()));
  u16(0);
  text(payload);
  return end(ends, kProtocolUdp, at, 6);
}

base::Bytes FrameBuilder::icmp_echo(const Ends& ends, std::size_t sender, std::uint16_t ip_id, std::uint16_t sequence) {
  static constexpr std::string_view kData = "abcdefghijklmnopqrstuvwabcdefghijklmnopqrstuvwabcdefgh..";
  begin(ends, sender, ip_id, echo_protocol(ends), 8 + kData.size());
  const std::size_t at = used_;
  const std::uint32_t request = ends.v6 ? 128 : 8, reply = ends.v6 ? 129 : 0;
  u8(sender == 0 ? request : reply);
  u8(0);
  u16(0);
  u16(ends.port[0]);
  u16(sequence);
  text(kData);
  return end(ends, echo_protocol(ends), at, 2);
}

}  // namespace hoptap::bench
