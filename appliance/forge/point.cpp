#include "appliance/forge/point.h"

#include <algorithm>

#include "appliance/forge/network.h"

namespace hoptap::forge {

Point::Point(std::uint32_t number, std::uint32_t index, PointPlan plan, const std::string& path, std::uint64_t seed)
    : Element(number), plan_(std::move(plan)), index_(index), writer_(path), random_(seed, "mirror of " + plan_.name) {}

bool Point::sees(Toward toward) const {
  return plan_.sees == Sees::kBoth || (plan_.sees == Sees::kRequest) == (toward == Toward::kServer);
}

bool Point::pass(Packet& packet, ElementMemory&, Network& network) {
  if (packet.quiet) return true;
  const Time now = network.now();
  const bool captured = sees(packet.toward) && !random_.chance(plan_.mirror.loss);
  const std::size_t payload = captured ? capture(packet, now) : 0;
  note(packet, now, payload, captured);
  return true;
}

void Point::note(const Packet& packet, Time now, std::size_t captured_payload, bool captured) const {
  const Stream& stream = packet.connection->stream(packet.toward);
  stream.each(packet.from, packet.from + packet.bytes,
              [&](const Message& message, std::uint64_t from, std::uint64_t end) {
                AtPoint& here = message.exchange->at(index_);
                Passing& passing = message.is_request ? here.request : here.response;
                const std::uint64_t bytes = message.end - message.from;
                (message.is_request ? here.request_bytes : here.response_bytes) = bytes;
                const bool had_first = passing.passed.holds_first();
                const bool had_all = passing.passed.whole(bytes);
                if (!had_all) passing.passed.add(from - message.from, end - message.from);
                if (!had_first && passing.passed.holds_first()) passing.first = now;
                if (!had_all && passing.passed.whole(bytes)) passing.last = now;
                const std::uint64_t captured_end = std::min(end, packet.from + captured_payload);
                if (captured && captured_end > from)
                  passing.captured.add(from - message.from, captured_end - message.from);
              });
}

/// Returns how many bytes of its payload are in the capture.
std::size_t Point::capture(const Packet& packet, Time now) {
  const Place& place = packet.connection->route().places[static_cast<std::size_t>(packet.place)];
  const base::Bytes frame = frames_.make(packet, place);
  const std::size_t kept = plan_.mirror.truncate_bytes == 0
                               ? frame.size()
                               : std::min<std::size_t>(frame.size(), plan_.mirror.truncate_bytes);
  const base::Bytes bytes = frame.first(kept);
  const Time stamp = plan_.clock.stamp(now);
  write_late(now);
  const bool twice = random_.chance(plan_.mirror.duplicate);
  const Time second = twice ? now + kMicrosecond + static_cast<Time>(random_.below(30 * kMicrosecond)) : 0;
  const bool delayed = random_.chance(plan_.mirror.reorder);
  if (twice) late_.push_back({second, 0, plan_.clock.stamp(second), {bytes.begin(), bytes.end()}, frame.size()});
  if (delayed) {
    constexpr int kOvertakenMax = 3;
    const int records = 1 + static_cast<int>(random_.below(kOvertakenMax));
    late_.push_back({kAfterOthers, records, stamp, {bytes.begin(), bytes.end()}, frame.size()});
  } else {
    write(stamp, bytes, frame.size());
  }
  return kept > frames_.payload_offset() ? kept - frames_.payload_offset() : 0;
}

void Point::write(Time stamp, base::Bytes bytes, std::size_t wire_bytes) {
  writer_.write(stamp, bytes, wire_bytes);
  if (late_.empty()) return;
  std::vector<Late> ready;
  for (Late& late : late_)
    if (late.due == kAfterOthers && --late.records == 0) ready.push_back(std::move(late));
  std::erase_if(late_, [](const Late& late) { return late.due == kAfterOthers && late.records <= 0; });
  for (const Late& late : ready) writer_.write(late.stamp, late.bytes, late.wire_bytes);
}

/// Second copies that come before `now`.
void Point::write_late(Time now) {
  if (late_.empty()) return;
  std::stable_sort(late_.begin(), late_.end(), [](const Late& a, const Late& b) { return a.due < b.due; });
  const auto first_after = std::find_if(late_.begin(), late_.end(), [now](const Late& late) { return late.due > now; });
  for (auto late = late_.begin(); late != first_after; ++late)
    writer_.write(late->stamp, late->bytes, late->wire_bytes);
  late_.erase(late_.begin(), first_after);
}

void Point::close() {
  write_late(kAfterOthers);
  writer_.close();
}

}  // namespace hoptap::forge
