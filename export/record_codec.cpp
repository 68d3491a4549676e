#include "export/record_codec.h"

#include <algorithm>
#include <bit>
#include <concepts>
#include <string>
#include <type_traits>

namespace hoptap::exporting {
namespace {

using flowtable::HopRecord;
using flowtable::MessageRecord;

constexpr std::size_t kTextBytesMax = 1u << 20;
constexpr std::size_t kIdsMax = 1u << 10;

/// Numbers that may be negative, small ones short.
std::uint64_t zigzag(std::uint64_t difference) {
  const auto value = static_cast<std::int64_t>(difference);
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ (0 - (value & 1)); }

/// Writes fields in the order they are visited.
class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& out) : out_(out) {}
  template <class Number>
  void number(const Number& value) {
    put_number(static_cast<std::uint64_t>(value), out_);
  }
  void time(const std::uint64_t& value, std::uint64_t reference) {
    put_number(value == 0 ? 0 : zigzag(value - reference) + 1, out_);  // 0 stays "not seen"
  }
  void hash(const std::uint64_t& value) {  // random bits do not get shorter
    for (unsigned shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  template <std::size_t kSize>
  void bytes(const std::array<std::uint8_t, kSize>& value) {
    out_.insert(out_.end(), value.begin(), value.end());
  }
  void text(const std::string& value) {
    const std::size_t kept = std::min(value.size(), kTextBytesMax);
    put_number(kept, out_);
    out_.insert(out_.end(), value.begin(), value.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  template <class List>
  void count(const List& list, std::size_t max) {
    put_number(std::min(list.size(), max), out_);
  }

 private:
  std::vector<std::uint8_t>& out_;
};

/// Reads the same fields in the same order; after an error everything reads as zero.
class Reader {
 public:
  explicit Reader(base::Bytes& in) : in_(in) {}
  template <class Number>
  void number(Number& value) {
    value = static_cast<Number>(take());
  }
  void time(std::uint64_t& value, std::uint64_t reference) {
    const std::uint64_t coded = take();
    value = coded == 0 ? 0 : unzigzag(coded - 1) + reference;
  }
  void hash(std::uint64_t& value) { value = base::load_le(raw(8)); }
  template <std::size_t kSize>
  void bytes(std::array<std::uint8_t, kSize>& value) {
    const base::Bytes taken = raw(kSize);
    std::copy(taken.begin(), taken.end(), value.begin());
  }
  void text(std::string& value) { value = base::as_text(raw(take())); }
  template <class List>
  void count(List& list, std::size_t max) {
    const std::uint64_t size = take();
    if (size > max) ok_ = false;
    list.resize(ok_ ? size : 0);
  }
  bool ok() const { return ok_; }

 private:
  std::uint64_t take() {
    const base::Result<std::uint64_t> value = take_number(in_);
    if (!value) ok_ = false;
    return ok_ ? *value : 0;
  }
  base::Bytes raw(std::uint64_t size) {
    if (size > in_.size()) ok_ = false;
    if (!ok_) return {};
    const base::Bytes taken = in_.first(size);
    in_ = in_.subspan(size);
    return taken;
  }

  base::Bytes& in_;
  bool ok_ = true;
};

// Each visit() names the fields once, for writing (Record is const) and for reading.
template <class Archive, class Record>
void visit_message(Archive& archive, Record& message, std::uint64_t reference) {
  archive.time(message.first_ns, reference);
  archive.time(message.last_ns, message.first_ns);
  archive.time(message.last_copy_ns, message.first_ns);
  archive.time(message.ack_ns, message.last_ns);
  archive.number(message.ack_wait_ns);
  archive.number(message.ack_release_ns);
  archive.number(message.bytes);
  archive.hash(message.head_hash);
  archive.number(message.sequence);
  archive.number(message.end_sequence);
  archive.number(message.tsval);
  archive.number(message.tsecr);
  archive.number(message.ip_id);
  archive.number(message.ttl);
  archive.number(message.copies);
  for (std::size_t at = 0; at < message.copies && at < MessageRecord::kCopiesMax; ++at) {
    archive.number(message.copy[at].delay_ns);
    archive.number(message.copy[at].tsval);
    archive.number(message.copy[at].ip_id);
  }
  archive.number(message.retransmissions);
  archive.number(message.out_of_order);
  archive.number(message.duplicate_acks);
  archive.number(message.sack_blocks);
  archive.number(message.unseen_bytes);
  archive.number(message.zero_window_ns);
}

template <class Archive, class Record>
void visit_reset(Archive& archive, Record& reset, std::uint64_t reference) {
  archive.time(reset.time_ns, reference);
  if (!reset.seen()) return;
  archive.number(reset.ip_id);
  archive.number(reset.ttl);
  archive.number(reset.usual_ttl);
}

template <class Archive, class Record>
void visit_vantage(Archive& archive, Record& vantage) {
  archive.bytes(vantage.link.source.bytes);
  archive.bytes(vantage.link.target.bytes);
  archive.number(vantage.link.vlan_count);
  for (auto& vlan : vantage.link.vlans) archive.number(vlan);
  archive.number(vantage.link.interface_index);
  archive.number(vantage.tunnels.depth);
  for (std::size_t at = 0; at < vantage.tunnels.depth && at < base::TunnelStack::kDepthMax; ++at) {
    auto& layer = vantage.tunnels.layers[at];
    archive.number(layer.type);
    archive.number(layer.id);
    archive.bytes(layer.source.bytes);
    archive.bytes(layer.target.bytes);
  }
}

template <class Archive, class Record>
void visit_application(Archive& archive, Record& record) {
  archive.text(record.protocol);
  archive.text(record.method);
  archive.text(record.resource);
  archive.text(record.endpoint);
  archive.number(record.status);
  archive.number(record.has_status);
  archive.number(record.key);
  archive.hash(record.canonical_hash);
  archive.count(record.ids, kIdsMax);
  for (auto& id : record.ids) {
    archive.number(id.kind);
    archive.number(id.in_response);
    archive.text(id.value);
  }
}

template <class Archive, class Record>
void visit_hop(Archive& archive, Record& record) {
  archive.number(record.point);
  archive.hash(record.leg_id);
  archive.number(record.record_id);
  archive.number(record.flags);
  archive.number(record.transport);
  archive.number(record.closing);
  archive.bytes(record.client.address.bytes);
  archive.number(record.client.port);
  archive.bytes(record.server.address.bytes);
  archive.number(record.server.port);
  visit_vantage(archive, record.vantage);
  archive.number(record.client_isn);
  archive.number(record.server_isn);
  visit_message(archive, record.request, 0);
  visit_message(archive, record.response, record.request.last_ns);
  visit_reset(archive, record.to_server_reset, record.request.last_ns);
  visit_reset(archive, record.to_client_reset, record.request.last_ns);
  visit_application(archive, record);
}

}  // namespace

void put_number(std::uint64_t value, std::vector<std::uint8_t>& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

base::Result<std::uint64_t> take_number(base::Bytes& bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = 0; at < bytes.size() && at < 10; ++at) {
    value |= std::uint64_t{bytes[at] & 0x7fu} << (7 * at);
    if ((bytes[at] & 0x80) != 0) continue;
    bytes = bytes.subspan(at + 1);
    return value;
  }
  return tl::unexpected(base::Error::kTruncated);
}

void encode(const HopRecord& record, std::vector<std::uint8_t>& out) {
  Writer writer(out);
  visit_hop(writer, record);
}

base::Result<HopRecord> decode_hop(base::Bytes& bytes) {
  HopRecord record;
  Reader reader(bytes);
  visit_hop(reader, record);
  if (!reader.ok()) return tl::unexpected(base::Error::kTruncated);
  if (record.vantage.tunnels.depth > base::TunnelStack::kDepthMax) return tl::unexpected(base::Error::kBadLength);
  return record;
}

}  // namespace hoptap::exporting
