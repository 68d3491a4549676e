#include "tests/golden/trial.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>

#include "capture/file_source.h"
#include "decode/mirror/mirror_splitter.h"
#include "export/json.h"
#include "flowtable/flow_table.h"

namespace hoptap::tests {

using decode::Decoded;
using decode::Outcome;

Capture::Capture(const std::string& path) {
  auto source = capture::open_file(path);
  if (!source) throw std::runtime_error(source.error().what);
  std::vector<capture::Packet> batch(capture::kBatchPackets);
  std::vector<capture::Packet> kept;
  while (const std::size_t count = (*source)->poll(batch)) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes_.emplace_back(batch[i].bytes.begin(), batch[i].bytes.end());
      kept.push_back(batch[i]);
      kept.back().bytes = bytes_.back();
    }
  }
  packets_.resize(kept.size());
  decoder_.decode(kept, (*source)->interfaces(), packets_);
  decode::MirrorSplitter(std::make_shared<decode::MirrorPoints>()).split(packets_, decoder_.erspan_packets());
}

namespace {

class Collector : public flowtable::RecordSink {
 public:
  explicit Collector(Records& records) : records_(records) {}
  void hop(const flowtable::HopRecord& record) override { records_.hops.push_back(record); }
  void leg(const flowtable::LegRecord& record) override { records_.legs.push_back(record); }

 private:
  Records& records_;
};

std::uint64_t begins_ns(const flowtable::HopRecord& record) {
  return record.request.seen() ? record.request.first_ns : record.response.first_ns;
}

}  // namespace

Records run(const std::vector<Decoded>& packets, std::size_t batch_packets) {
  Records records;
  Collector collector(records);
  flowtable::FlowTable table({}, 0, collector);
  for (std::size_t at = 0; at < packets.size(); at += batch_packets)
    table.add(std::span(packets).subspan(at, std::min(batch_packets, packets.size() - at)));
  table.finish();
  const auto hop_order = [](const flowtable::HopRecord& r) {
    return std::tuple(begins_ns(r), r.client, r.server, r.request.sequence, r.response.sequence, r.key);
  };
  std::stable_sort(records.hops.begin(), records.hops.end(),
                   [&](const auto& a, const auto& b) { return hop_order(a) < hop_order(b); });
  const auto leg_order = [](const flowtable::LegRecord& r) {
    return std::tuple(r.first_ns, r.client, r.server, r.leg_id);
  };
  std::stable_sort(records.legs.begin(), records.legs.end(),
                   [&](const auto& a, const auto& b) { return leg_order(a) < leg_order(b); });
  return records;
}

std::vector<Decoded> cut(const std::vector<Decoded>& packets, const std::function<std::size_t()>& next_bytes) {
  std::vector<Decoded> pieces;
  for (const Decoded& packet : packets) {
    const bool whole = packet.outcome != Outcome::kTcp || packet.payload.size() != packet.payload_wire_bytes ||
                       packet.tcp.has(decode::tcp_flag::kSyn) || packet.tcp.has(decode::tcp_flag::kRst);
    for (std::size_t at = 0; !whole && at < packet.payload.size();) {
      const std::size_t length = std::min(std::max<std::size_t>(next_bytes(), 1), packet.payload.size() - at);
      Decoded piece = packet;
      piece.tcp.sequence += static_cast<std::uint32_t>(at);
      piece.payload = packet.payload.subspan(at, length);
      piece.payload_wire_bytes = static_cast<std::uint32_t>(length);
      at += length;
      if (at < packet.payload.size()) piece.tcp.flags &= static_cast<std::uint8_t>(~decode::tcp_flag::kFin);
      pieces.push_back(piece);
    }
    if (whole || packet.payload.empty()) pieces.push_back(packet);
  }
  return pieces;
}

std::vector<Decoded> beginnings(const std::vector<Decoded>& packets, std::size_t kept_bytes) {
  std::vector<Decoded> changed = packets;
  for (Decoded& packet : changed)
    if (packet.outcome == Outcome::kTcp)
      packet.payload = packet.payload.first(std::min(packet.payload.size(), kept_bytes));
  return changed;
}

std::string golden_text(const Records& records, bool with_legs) {
  std::string text;
  for (const auto& hop : records.hops) text += exporting::hop_json(hop) + "\n";
  if (!with_legs) return text;
  for (const auto& leg : records.legs) text += exporting::leg_json(leg) + "\n";
  return text;
}

void forget_boundaries(flowtable::HopRecord& record) {
  for (flowtable::MessageRecord* message : {&record.request, &record.response}) {
    message->retransmissions = message->out_of_order = message->duplicate_acks = 0;
    message->last_copy_ns = 0;
  }
}

}  // namespace hoptap::tests
