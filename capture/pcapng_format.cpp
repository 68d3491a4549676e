#include "capture/pcapng_format.h"

#include <fmt/format.h>

#include <algorithm>

namespace hoptap::capture {
namespace {

using Kind = RecordStep::Kind;

// Block types, draft-ietf-opsawg-pcapng section 10.1.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // reads the same in both byte orders
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kPacketObsolete = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kNameResolution = 4;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kJournalExport = 9;
constexpr std::uint32_t kDecryptionSecrets = 10;
constexpr std::uint32_t kCustom = 0x00000bad;
constexpr std::uint32_t kCustomNotCopied = 0x40000bad;

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::size_t kBlockHeaderBytes = 8;  // type, length
constexpr std::size_t kBlockBytesMin = 12;    // and the length again at the end
constexpr std::size_t kEnhancedHeaderBytes = 20;
constexpr std::size_t kNameBytesMax = 256;

std::string name_from(base::Bytes value) {
  const std::string_view text = base::as_text(value.first(std::min(value.size(), kNameBytesMax)));
  return std::string(text.substr(0, text.find('\0')));  // some writers count the terminating zero
}

}  // namespace

bool PcapngFormat::recognises(base::Bytes first) { return ByteOrder().u32(first, 0) == kSectionHeader; }

base::Outcome<PcapngFormat> PcapngFormat::open(base::Bytes first) {
  assert(first.size() >= kFileHeaderBytes);
  PcapngFormat format;
  if (format.section_header(first).kind != Kind::kEnd) return PcapngFormat();
  return tl::unexpected(base::Failure{.what = "is a damaged pcapng file: " + format.state_.end_reason});
}

RecordStep PcapngFormat::next(base::Bytes window, Packet& packet) {
  if (window.size() < kBlockBytesMin) return {Kind::kNeedMore, kBlockBytesMin};
  const std::uint32_t type = order_.u32(window, 0);
  if (type == kSectionHeader) return section_header(window);

  const std::size_t block_bytes = order_.u32(window, 4);
  if (block_bytes < kBlockBytesMin || block_bytes % 4 != 0) {
    return end(fmt::format("a block claims {} bytes", block_bytes));
  }
  switch (type) {
    case kEnhancedPacket:
    case kSimplePacket:
    case kPacketObsolete:
    case kInterfaceDescription:
    case kInterfaceStatistics: break;
    default: ++state_.counters.unknown_blocks; [[fallthrough]];
    case kNameResolution:  // known, but of no use here
    case kJournalExport:
    case kDecryptionSecrets:
    case kCustom:
    case kCustomNotCopied: return {Kind::kSkip, block_bytes};
  }
  if (block_bytes > kRecordBytesMax) return end(fmt::format("a block claims {} bytes", block_bytes));
  if (window.size() < block_bytes) return {Kind::kNeedMore, block_bytes};
  if (order_.u32(window, block_bytes - 4) != block_bytes) return end("a block's two lengths differ");
  return known_block(type, block_bytes, window.subspan(kBlockHeaderBytes, block_bytes - kBlockBytesMin), packet);
}

RecordStep PcapngFormat::section_header(base::Bytes window) {
  if (window.size() < kFileHeaderBytes) return {Kind::kNeedMore, kFileHeaderBytes};
  const ByteOrder little(std::endian::little), big(std::endian::big);
  if (little.u32(window, 8) == kByteOrderMagic) {
    order_ = little;
  } else if (big.u32(window, 8) == kByteOrderMagic) {
    order_ = big;
  } else {
    return end("a section has no byte order mark");
  }
  const std::size_t block_bytes = order_.u32(window, 4);
  const std::uint16_t major = order_.u16(window, 12), minor = order_.u16(window, 14);
  if (block_bytes < kFileHeaderBytes + 4 || block_bytes % 4 != 0) {
    return end(fmt::format("a section header claims {} bytes", block_bytes));
  }
  if (major != 1) return end(fmt::format("a section is of version {}.{}; 1.0 is what is read", major, minor));
  section_base_ = state_.interfaces.size();
  return {Kind::kSkip, block_bytes};
}

RecordStep PcapngFormat::known_block(std::uint32_t type, std::size_t block_bytes, base::Bytes body, Packet& packet) {
  switch (type) {
    case kEnhancedPacket:  // section 4.3
      if (body.size() < kEnhancedHeaderBytes) return bad_block(block_bytes);
      return packet_block({.interface_in_section = order_.u32(body, 0),
                           .time_units = std::uint64_t{order_.u32(body, 4)} << 32 | order_.u32(body, 8),
                           .captured_bytes = order_.u32(body, 12),
                           .wire_bytes = order_.u32(body, 16)},
                          body.subspan(kEnhancedHeaderBytes), block_bytes, packet);
    case kPacketObsolete:  // appendix A: the interface has 16 bits, the others count drops
      if (body.size() < kEnhancedHeaderBytes) return bad_block(block_bytes);
      return packet_block({.interface_in_section = order_.u16(body, 0),
                           .time_units = std::uint64_t{order_.u32(body, 4)} << 32 | order_.u32(body, 8),
                           .captured_bytes = order_.u32(body, 12),
                           .wire_bytes = order_.u32(body, 16)},
                          body.subspan(kEnhancedHeaderBytes), block_bytes, packet);
    case kSimplePacket: return simple_packet(body, block_bytes, packet);
    case kInterfaceDescription:
      return interface_description(body) ? RecordStep{Kind::kSkip, block_bytes} : bad_block(block_bytes);
    default: return interface_statistics(body) ? RecordStep{Kind::kSkip, block_bytes} : bad_block(block_bytes);
  }
}

RecordStep PcapngFormat::packet_block(const PacketHeader& header, base::Bytes data, std::size_t block_bytes,
                                      Packet& packet) {
  const std::size_t interface_id = section_base_ + header.interface_in_section;
  if (interface_id >= state_.interfaces.size() || header.captured_bytes > data.size()) return bad_block(block_bytes);
  last_time_ns_ = facts_[interface_id].clock.to_ns(header.time_units);
  packet = {.bytes = data.first(header.captured_bytes),
            .time_ns = last_time_ns_,
            .wire_bytes = std::max(header.wire_bytes, header.captured_bytes),
            .interface_id = static_cast<std::uint16_t>(interface_id)};
  return {Kind::kPacket, block_bytes};
}

/// Section 4.4: always of interface 0, without a time, cut to that interface's snap length.
RecordStep PcapngFormat::simple_packet(base::Bytes body, std::size_t block_bytes, Packet& packet) {
  if (body.size() < 4 || section_base_ >= state_.interfaces.size()) return bad_block(block_bytes);
  const std::uint32_t wire_bytes = order_.u32(body, 0);
  const std::uint32_t snap_bytes = state_.interfaces[section_base_].snap_bytes;
  const std::size_t captured_bytes = snap_bytes == 0 ? wire_bytes : std::min(wire_bytes, snap_bytes);
  const base::Bytes data = body.subspan(4);
  ++state_.timeless_packets;
  packet = {.bytes = data.first(std::min(captured_bytes, data.size())),
            .time_ns = last_time_ns_,
            .wire_bytes = wire_bytes,
            .interface_id = static_cast<std::uint16_t>(section_base_)};
  return {Kind::kPacket, block_bytes};
}

/// Section 4.2.
bool PcapngFormat::interface_description(base::Bytes body) {
  constexpr std::size_t kFixedBytes = 8;
  constexpr std::uint16_t kName = 2, kDescription = 3, kTimeResolution = 9, kTimeOffset = 14;
  if (body.size() < kFixedBytes || state_.interfaces.size() >= kInterfacesMax) return false;
  std::string name, description;
  std::uint8_t resolution = InterfaceClock::kMicroseconds;
  std::int64_t offset_seconds = 0;
  for_each_option(body.subspan(kFixedBytes), [&](std::uint16_t code, base::Bytes value) {
    if (code == kName) name = name_from(value);
    if (code == kDescription) description = name_from(value);
    if (code == kTimeResolution && value.size() == 1) resolution = value[0];
    if (code == kTimeOffset && value.size() == 8) offset_seconds = static_cast<std::int64_t>(order_.u64(value, 0));
  });
  const InterfaceClock clock(resolution, offset_seconds);
  state_.interfaces.push_back({.name = name.empty() ? description : name,
                               .link_type = normalised_link_type(order_.u16(body, 0)),
                               .snap_bytes = order_.u32(body, 4),
                               .unit_ns = clock.unit_ns()});
  facts_.push_back({.clock = clock});
  return true;
}

/// Section 4.6. The counts grow from block to block, so an interface's last one holds.
bool PcapngFormat::interface_statistics(base::Bytes body) {
  constexpr std::size_t kFixedBytes = 12;
  constexpr std::uint16_t kDroppedByInterface = 5, kDroppedBySystem = 7;
  if (body.size() < kFixedBytes) return false;
  const std::size_t interface_id = section_base_ + order_.u32(body, 0);
  if (interface_id >= state_.interfaces.size()) return false;
  std::uint64_t dropped_packets = 0;
  for_each_option(body.subspan(kFixedBytes), [&](std::uint16_t code, base::Bytes value) {
    if ((code == kDroppedByInterface || code == kDroppedBySystem) && value.size() == 8) {
      dropped_packets += order_.u64(value, 0);
    }
  });
  std::uint64_t& known = facts_[interface_id].dropped_packets;
  state_.counters.dropped_by_capture += dropped_packets - known;
  known = dropped_packets;
  return true;
}

/// Section 3.5. A bad length ends the options, not the block.
template <class Visit>
void PcapngFormat::for_each_option(base::Bytes options, Visit visit) const {
  constexpr std::size_t kOptionHeaderBytes = 4;
  constexpr std::uint16_t kEndOfOptions = 0;
  while (options.size() >= kOptionHeaderBytes) {
    const std::uint16_t code = order_.u16(options, 0);
    const std::size_t value_bytes = order_.u16(options, 2);
    options = options.subspan(kOptionHeaderBytes);
    if (code == kEndOfOptions || value_bytes > options.size()) return;
    visit(code, options.first(value_bytes));
    const std::size_t padded_bytes = (value_bytes + 3) / 4 * 4;
    options = options.subspan(std::min(padded_bytes, options.size()));
  }
}

RecordStep PcapngFormat::bad_block(std::size_t block_bytes) {
  ++state_.counters.bad_records;
  return {Kind::kSkip, block_bytes};
}

RecordStep PcapngFormat::end(std::string why) {
  ++state_.counters.bad_records;
  state_.end_reason = std::move(why);
  return {Kind::kEnd};
}

}  // namespace hoptap::capture
