// Any hop records, however contradictory: the linker must survive them, lose none, and its parts must add up.
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "linker/joiner.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/verdict.h"
#include "linker/window_verdicts.h"

namespace {

using namespace hoptap;
using flowtable::HopRecord;
using flowtable::MessageRecord;

void require(bool condition) {
  if (!condition) std::abort();
}

MessageRecord message_from(base::ByteCursor& in, std::uint64_t base_ns) {
  MessageRecord message;
  const std::uint8_t kind = in.u8();
  if ((kind & 0x01) != 0) return message;
  message.first_ns = base_ns + in.u8() * 1'000'000ULL;
  message.last_ns = message.first_ns + (kind >> 4) * 50'000'000ULL;
  message.sequence = in.u8() * ((kind & 0x02) != 0 ? 1u : 16'000'000u);
  message.end_sequence = message.sequence + 100;
  message.bytes = 100 + (kind & 0x04);
  message.head_hash = kind & 0x08;
  message.tsval = in.u8();
  message.tsecr = message.tsval / 2;
  message.ip_id = static_cast<std::uint16_t>(message.tsval);
  message.ttl = static_cast<std::uint8_t>(60 + (kind & 0x07));
  message.copies = in.u8() % 7;
  message.retransmissions = message.copies + (kind & 0x03);
  for (flowtable::Copy& copy : message.copy) copy = {in.u8() * 1'000'000ULL, in.u8(), in.u8()};
  message.last_copy_ns = message.first_ns + in.u8() * 1'000'000ULL;
  message.ack_ns = message.first_ns + in.u8() * 1'000'000ULL;
  message.unseen_bytes = kind & 0x10;
  message.zero_window_ns = in.u8() * 1'000'000ULL;
  return message;
}

HopRecord record_from(base::ByteCursor& in, std::uint64_t number) {
  HopRecord record;
  record.point = in.u8() % 6;
  record.record_id = number;
  record.leg_id = in.u8() % 4;
  record.flags = in.u16();
  const std::uint8_t kind = in.u8();
  record.transport = (kind & 0x03) == 0 ? 17 : 6;
  record.protocol = (kind & 0x04) != 0 ? "http" : "opaque";
  record.key = record.transport == 17 ? kind : 0;
  record.client.port = kind & 0x08;
  record.vantage.tunnels.depth = kind >> 7;
  if ((kind & 0x10) != 0)
    record.ids.push_back({base::IdKind::kRequestId, false, std::string(1, static_cast<char>(in.u8() % 4))});
  record.request = message_from(in, 1'000'000'000);
  record.response = message_from(in, 1'010'000'000);
  if ((kind & 0x20) != 0) record.to_client_reset = {2'000'000'000, 1, 64, in.u8()};
  if ((kind & 0x40) != 0) record.to_server_reset = {2'000'000'001, 1, 64, in.u8()};
  return record;
}

void check(const linker::Trace& trace) {
  std::int64_t sum = 0;
  for (const linker::Part& part : trace.parts) sum += part.time_ns;
  require(trace.parts.empty() || sum == trace.response_time_ns);
  require(trace.stops.size() >= trace.hops.size());
  for (const linker::Loss& loss : trace.losses) {
    require(loss.from + 1 < trace.stops.size() && loss.probability >= 0 && loss.probability <= 1.000001);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kRecordsMax = 64;
  const linker::PointTable points;
  linker::RunModel model(points);
  std::vector<linker::Group> groups;
  linker::Joiner joiner({}, [&](linker::Group&& group) { groups.push_back(std::move(group)); });
  base::ByteCursor in(base::Bytes(data, size));
  for (std::uint64_t number = 1; number <= kRecordsMax && !in.rest().empty(); ++number) {
    HopRecord record = record_from(in, number);
    if (record.request.seen() || record.response.seen()) joiner.add(std::move(record));
  }
  joiner.flush();
  model.learn_run(groups);
  const linker::Judge judge(model.baseline());
  linker::RunJudge run;
  linker::WindowVerdicts windows(100'000'000);
  for (linker::Group& group : groups) {
    const linker::Trace trace = model.trace_of(std::move(group));
    check(trace);
    const linker::Judgement judgement = judge.judge(trace);
    require(!judgement.verdict.text.empty() && judgement.verdict.confidence <= 1.000001);
    run.add(trace, judgement);
    windows.add(trace, judgement);
  }
  require(!run.finish().text.empty());
  windows.each([](const linker::TimeWindow&, const linker::RunVerdict& verdict) { require(!verdict.text.empty()); });
  return 0;
}
