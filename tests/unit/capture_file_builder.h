// Capture files made in code, for tests: pcap and pcapng in both byte orders.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "capture/source.h"
#include "tests/unit/packet_builder.h"

namespace hoptap::test {

/// Appends integers in a byte order of choice.
class OrderedWriter {
 public:
  explicit OrderedWriter(std::endian order = std::endian::little) : order_(order) {}

  OrderedWriter& u8(std::uint64_t value) { return put(value, 1); }
  OrderedWriter& u16(std::uint64_t value) { return put(value, 2); }
  OrderedWriter& u32(std::uint64_t value) { return put(value, 4); }
  OrderedWriter& u64(std::uint64_t value) { return put(value, 8); }
  OrderedWriter& add(base::Bytes bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  OrderedWriter& pad() {
    while (buffer_.size() % 4 != 0) buffer_.push_back(0);
    return *this;
  }
  std::size_t size() const { return buffer_.size(); }
  const Buffer& buffer() const { return buffer_; }

 private:
  OrderedWriter& put(std::uint64_t value, int bytes) {
    for (int at = 0; at < bytes; ++at) {
      const int shift = 8 * (order_ == std::endian::big ? bytes - 1 - at : at);
      buffer_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return *this;
  }

  std::endian order_;
  Buffer buffer_;
};

struct PcapOptions {
  std::endian order = std::endian::little;
  std::uint32_t magic = 0xa1b2c3d4;  ///< microseconds; 0xa1b23c4d: nanoseconds; 0xa1b2cd34: longer record headers
  std::uint16_t minor = 4;
  std::uint16_t major = 2;
  std::uint32_t snap_bytes = 262144;
  std::uint32_t link_type = 1;
};

class PcapBuilder {
 public:
  explicit PcapBuilder(const PcapOptions& options = {}) : options_(options), out_(options.order) {
    out_.u32(options.magic).u16(options.major).u16(options.minor).u32(0).u32(0);
    out_.u32(options.snap_bytes).u32(options.link_type);
  }

  /// `wire_bytes` 0: as captured.
  PcapBuilder& add(std::uint64_t time_ns, const Buffer& frame, std::size_t wire_bytes = 0) {
    const std::uint64_t ns_per_fraction = options_.magic == 0xa1b23c4d ? 1 : 1000;
    return add_raw(static_cast<std::uint32_t>(time_ns / 1'000'000'000),
                   static_cast<std::uint32_t>(time_ns % 1'000'000'000 / ns_per_fraction),
                   static_cast<std::uint32_t>(frame.size()),
                   static_cast<std::uint32_t>(wire_bytes == 0 ? frame.size() : wire_bytes), frame);
  }

  PcapBuilder& add_raw(std::uint32_t seconds, std::uint32_t fraction, std::uint32_t captured_bytes,
                       std::uint32_t wire_bytes, const Buffer& frame) {
    out_.u32(seconds).u32(fraction).u32(captured_bytes).u32(wire_bytes);
    if (options_.magic == 0xa1b2cd34) out_.u32(3).u16(0x0800).u8(0).u8(0);
    out_.add(frame);
    return *this;
  }

  const Buffer& file() const { return out_.buffer(); }

 private:
  PcapOptions options_;
  OrderedWriter out_;
};

struct PcapngOption {
  std::uint16_t code;
  Buffer value;
};

class PcapngBuilder {
 public:
  explicit PcapngBuilder(std::endian order = std::endian::little) { section(order); }

  PcapngBuilder& section(std::endian order, std::uint16_t major = 1) {
    order_ = order;
    return block(0x0a0d0d0a, OrderedWriter(order).u32(0x1a2b3c4d).u16(major).u16(0).u64(~std::uint64_t{0}).buffer());
  }
  PcapngBuilder& interface(std::uint16_t link_type = 1, std::uint32_t snap_bytes = 0,
                           const std::vector<PcapngOption>& options = {}) {
    return block(1, OrderedWriter(order_).u16(link_type).u16(0).u32(snap_bytes).add(list(options)).buffer());
  }
  PcapngBuilder& packet(std::uint32_t interface_id, std::uint64_t time, const Buffer& frame,
                        std::optional<std::uint32_t> captured_bytes = {}, std::uint32_t wire_bytes = 0) {
    return block(6, OrderedWriter(order_)
                        .u32(interface_id)
                        .u32(time >> 32)
                        .u32(time)
                        .u32(captured_bytes.value_or(static_cast<std::uint32_t>(frame.size())))
                        .u32(wire_bytes == 0 ? frame.size() : wire_bytes)
                        .add(frame)
                        .pad()
                        .buffer());
  }
  PcapngBuilder& obsolete_packet(std::uint16_t interface_id, std::uint64_t time, const Buffer& frame) {
    return block(2, OrderedWriter(order_)
                        .u16(interface_id)
                        .u16(9)
                        .u32(time >> 32)
                        .u32(time)
                        .u32(frame.size())
                        .u32(frame.size())
                        .add(frame)
                        .pad()
                        .buffer());
  }
  PcapngBuilder& simple_packet(const Buffer& captured, std::uint32_t wire_bytes) {
    return block(3, OrderedWriter(order_).u32(wire_bytes).add(captured).pad().buffer());
  }
  PcapngBuilder& statistics(std::uint32_t interface_id, const std::vector<PcapngOption>& options) {
    return block(5, OrderedWriter(order_).u32(interface_id).u64(0).add(list(options)).buffer());
  }
  /// Any block; the body must be a multiple of 4 bytes.
  PcapngBuilder& block(std::uint32_t type, const Buffer& body, std::optional<std::uint32_t> length_at_end = {}) {
    const auto length = static_cast<std::uint32_t>(body.size() + 12);
    const OrderedWriter head = OrderedWriter(order_).u32(type).u32(length);
    const OrderedWriter tail = OrderedWriter(order_).u32(length_at_end.value_or(length));
    for (const Buffer* part : {&head.buffer(), &body, &tail.buffer()})
      file_.insert(file_.end(), part->begin(), part->end());
    return *this;
  }

  Buffer number(std::uint64_t value) const { return OrderedWriter(order_).u64(value).buffer(); }
  const Buffer& file() const { return file_; }

 private:
  Buffer list(const std::vector<PcapngOption>& options) const {
    OrderedWriter out(order_);
    for (const PcapngOption& option : options) out.u16(option.code).u16(option.value.size()).add(option.value).pad();
    if (!options.empty()) out.u32(0);
    return out.buffer();
  }

  std::endian order_ = std::endian::little;
  Buffer file_;
};

/// A packet that owns its bytes, so that it outlives its batch.
struct KeptPacket {
  Buffer bytes;
  std::uint64_t time_ns;
  std::uint32_t wire_bytes;
  std::uint16_t interface_id;

  bool operator==(const KeptPacket&) const = default;
};

/// Polls until the end.
inline std::vector<KeptPacket> read_all(capture::Source& source, std::size_t batch_packets = capture::kBatchPackets) {
  std::vector<KeptPacket> kept;
  std::vector<capture::Packet> batch(batch_packets);
  while (const std::size_t count = source.poll(batch)) {
    for (const capture::Packet& packet : std::span(batch).first(count)) {
      kept.push_back({.bytes = {packet.bytes.begin(), packet.bytes.end()},
                      .time_ns = packet.time_ns,
                      .wire_bytes = packet.wire_bytes,
                      .interface_id = packet.interface_id});
    }
  }
  return kept;
}

}  // namespace hoptap::test
