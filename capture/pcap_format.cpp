#include "capture/pcap_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace hoptap::capture {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

struct Variant {
  std::uint32_t magic;
  std::uint32_t ns_per_fraction;
  std::size_t record_header_bytes;
};

constexpr std::array<Variant, 3> kVariants{{
    {.magic = 0xa1b2c3d4, .ns_per_fraction = 1000, .record_header_bytes = 16},
    {.magic = 0xa1b23c4d, .ns_per_fraction = 1, .record_header_bytes = 16},
    // "Modified" pcap of old Linux distributions: interface index, protocol and packet type follow the lengths.
    {.magic = 0xa1b2cd34, .ns_per_fraction = 1000, .record_header_bytes = 24},
}};

struct Found {
  Variant variant;
  std::endian order;
};

std::optional<Found> find_variant(base::Bytes first) {
  for (const Variant& variant : kVariants) {
    for (const std::endian order : {std::endian::little, std::endian::big}) {
      if (ByteOrder(order).u32(first, 0) == variant.magic) return Found{variant, order};
    }
  }
  return std::nullopt;
}

/// Reading the lengths brought the packet's first bytes into the cache; the decoder soon wants the next
/// line too. 13 of 138 ns/packet on a 760 MB file of 800-byte packets, 3 of 78 ns on one of 160-byte packets.
void prefetch_headers(const std::uint8_t* packet) {
  constexpr std::size_t kCacheLineBytes = 64;
  __builtin_prefetch(packet + kCacheLineBytes);
}

}  // namespace

bool PcapFormat::recognises(base::Bytes first) { return find_variant(first).has_value(); }

base::Outcome<PcapFormat> PcapFormat::open(base::Bytes first) {
  assert(first.size() >= kFileHeaderBytes);
  const std::optional<Found> found = find_variant(first);
  assert(found.has_value());
  PcapFormat format;
  format.order_ = ByteOrder(found->order);
  format.header_bytes_ = found->variant.record_header_bytes;
  format.ns_per_fraction_ = found->variant.ns_per_fraction;

  const std::uint16_t major = format.order_.u16(first, 4), minor = format.order_.u16(first, 6);
  if (major != 2) {
    return tl::unexpected(
        base::Failure{.what = fmt::format("is a pcap file of version {}.{}; 2.4 is what is read", major, minor)});
  }
  format.lengths_may_be_swapped_ = minor <= 3;  // before 2.4 writers did not agree on their order
  const std::uint32_t snap_bytes = format.order_.u32(first, 16);
  // The upper half of the link type tells of a frame check sequence, which the IP lengths leave out anyway.
  const auto link_type = static_cast<std::uint16_t>(format.order_.u32(first, 20) & 0xffffu);
  format.state_.interfaces.push_back({.name = {},
                                      .link_type = normalised_link_type(link_type),
                                      .snap_bytes = snap_bytes,
                                      .unit_ns = format.ns_per_fraction_});
  return format;
}

PcapFormat::Run PcapFormat::take_run(base::Bytes window, std::span<Packet> batch) const {
  if (!order_.is_native() || lengths_may_be_swapped_ || window.size() < header_bytes_) return {};
  const std::uint64_t header_bytes = header_bytes_, ns_per_fraction = ns_per_fraction_;
  std::size_t begin = header_bytes;  // of the packet's bytes
  Packet* packet = batch.data();
  for (Packet* const end = packet + batch.size(); packet != end; ++packet) {
    const std::uint8_t* const bytes = window.data() + begin;
    const auto word = [record = bytes - header_bytes](std::size_t at) {
      std::uint32_t value;
      std::memcpy(&value, record + 4 * at, sizeof value);
      return value;
    };
    const std::uint32_t captured_bytes = word(2), wire_bytes = word(3);
    const std::size_t next = begin + captured_bytes + header_bytes;
    if (captured_bytes > kRecordBytesMax || next > window.size()) break;
    prefetch_headers(bytes);
    packet->bytes = {bytes, captured_bytes};
    packet->time_ns = word(0) * kNsPerSecond + word(1) * ns_per_fraction;
    packet->wire_bytes = std::max(wire_bytes, captured_bytes);
    packet->interface_id = 0;
    begin = next;
  }
  return {.packets = static_cast<std::size_t>(packet - batch.data()), .bytes = begin - header_bytes};
}

RecordStep PcapFormat::next(base::Bytes window, Packet& packet) {
  using Kind = RecordStep::Kind;
  if (window.size() < header_bytes_) return {Kind::kNeedMore, header_bytes_};
  std::uint32_t captured_bytes = order_.u32(window, 8);
  std::uint32_t wire_bytes = order_.u32(window, 12);
  if (lengths_may_be_swapped_ && captured_bytes > wire_bytes) std::swap(captured_bytes, wire_bytes);
  if (captured_bytes > kRecordBytesMax) {
    ++state_.counters.bad_records;
    state_.end_reason = fmt::format("a record claims {} bytes", captured_bytes);
    return {Kind::kEnd};
  }
  const std::size_t record_bytes = header_bytes_ + captured_bytes;
  if (window.size() < record_bytes) return {Kind::kNeedMore, record_bytes};
  prefetch_headers(window.data() + header_bytes_);
  // Two 32-bit values cannot overflow this.
  packet = {.bytes = window.subspan(header_bytes_, captured_bytes),
            .time_ns = order_.u32(window, 0) * kNsPerSecond + std::uint64_t{order_.u32(window, 4)} * ns_per_fraction_,
            .wire_bytes = std::max(wire_bytes, captured_bytes),
            .interface_id = 0};
  return {Kind::kPacket, record_bytes};
}

}  // namespace hoptap::capture
