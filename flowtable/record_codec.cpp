#include "flowtable/record_codec.h"

#include <type_traits>

#include "base/archive.h"

namespace hoptap::flowtable {
namespace {

constexpr std::size_t kIdsMax = 1u << 10;

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

template <class Archive, class Value>
void visit_process(Archive& archive, Value& process) {
  archive.number(process.pid);
  archive.text(process.name);
  archive.text(process.container_id);
}

using ProcessPointer = std::shared_ptr<const Process>;

void visit_pointer(base::ArchiveWriter& archive, const ProcessPointer& process) { visit_process(archive, *process); }
void visit_pointer(base::ArchiveReader& archive, ProcessPointer& process) {
  const auto made = std::make_shared<Process>();
  visit_process(archive, *made);
  process = made;
}

/// A number of bits that say which of what follows is there. Before there were processes it was `has_status` alone.
template <class Archive, class Record>
std::uint32_t visit_marks(Archive& archive, Record& record) {
  std::uint32_t marks =
      (record.has_status ? 1u : 0u) | (record.processes.client ? 2u : 0u) | (record.processes.server ? 4u : 0u);
  archive.number(marks);
  if constexpr (!std::is_const_v<Record>) record.has_status = (marks & 1) != 0;
  return marks;
}

template <class Archive, class Record>
void visit_application(Archive& archive, Record& record) {
  archive.text(record.protocol);
  archive.text(record.method);
  archive.text(record.resource);
  archive.text(record.endpoint);
  archive.number(record.status);
  const std::uint32_t marks = visit_marks(archive, record);
  if ((marks & 2) != 0) visit_pointer(archive, record.processes.client);
  if ((marks & 4) != 0) visit_pointer(archive, record.processes.server);
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
void visit_leg(Archive& archive, Record& record) {
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
}

template <class Archive, class Record>
void visit_hop(Archive& archive, Record& record) {
  visit_leg(archive, record);
  visit_message(archive, record.request, 0);
  visit_message(archive, record.response, record.request.last_ns);
  visit_reset(archive, record.to_server_reset, record.request.last_ns);
  visit_reset(archive, record.to_client_reset, record.request.last_ns);
  visit_application(archive, record);
}

}  // namespace

void encode(const HopRecord& record, std::vector<std::uint8_t>& out) {
  base::ArchiveWriter writer(out);
  visit_hop(writer, record);
}

base::Result<RecordHead> decode_head(base::Bytes bytes) {
  HopRecord record;
  base::ArchiveReader reader(bytes);
  visit_leg(reader, record);
  visit_message(reader, record.request, 0);
  if (!record.request.seen()) visit_message(reader, record.response, record.request.last_ns);
  if (!reader.ok()) return tl::unexpected(base::Error::kTruncated);
  const MessageRecord& first = record.request.seen() ? record.request : record.response;
  return RecordHead{record.point, record.record_id, record.transport, first.first_ns};
}

base::Result<HopRecord> decode_hop(base::Bytes& bytes) {
  HopRecord record;
  base::ArchiveReader reader(bytes);
  visit_hop(reader, record);
  if (!reader.ok()) return tl::unexpected(base::Error::kTruncated);
  if (record.vantage.tunnels.depth > base::TunnelStack::kDepthMax) return tl::unexpected(base::Error::kBadLength);
  return record;
}

}  // namespace hoptap::flowtable
