#include "export/store_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "export/json.h"
#include "export/json_value.h"

namespace hoptap::exporting {
namespace {

namespace json = boost::json;

template <class Number>
json::value if_known(const std::optional<Number>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::array names(const std::vector<std::string>& texts) {
  json::array list;
  for (const std::string& text : texts) list.emplace_back(utf8(text));
  return list;
}

}  // namespace

std::string trace_json(const JudgedTrace& judged, std::uint32_t revision, bool final) {
  std::string line = trace_json(judged.trace, judged.judgement.verdict);
  line.pop_back();
  return line + fmt::format(R"(,"revision":{},"final":{}}})", revision, final);
}

std::string window_json(const WindowRow& row) {
  if (row.recent) return verdict_json(row.verdict);
  return verdict_json(row.verdict, linker::TimeWindow{row.start_ns, row.end_ns});
}

std::string segment_json(const SegmentRow& row) {
  json::object out{{"kind", linker::part_name(row.kind)}, {"from", utf8(row.from)}, {"to", utf8(row.to)}};
  out["start_ns"] = row.bucket_start_ns;
  out["length_ns"] = row.bucket_ns;
  out["requests"] = row.times.count();
  out["p50_ns"] = row.times.quantile_ns(0.5);
  out["p90_ns"] = row.times.quantile_ns(0.9);
  out["p95_ns"] = row.times.quantile_ns(0.95);
  out["p99_ns"] = row.times.quantile_ns(0.99);
  out["max_ns"] = row.times.quantile_ns(1);
  out["request_copies_lost"] = row.request_copies_lost;
  out["response_copies_lost"] = row.response_copies_lost;
  out["losses"] = row.losses;
  return line_of(out);
}

std::string point_json(const PointRow& row, std::uint64_t latest_ns) {
  json::object out{{"name", utf8(row.name)}, {"role", utf8(row.role)}, {"probe", utf8(row.probe)}};
  out["hops"] = row.hops;
  out["legs"] = row.legs;
  out["packets"] = row.packets;
  out["lost_packets"] = if_known(row.lost_packets);
  out["stamps"] = stamps_json(row.stamps);
  out["completeness_to_server"] = if_known(row.completeness_to_server);
  out["completeness_to_client"] = if_known(row.completeness_to_client);
  out["first_ns"] = row.first_ns;
  out["reached_ns"] = row.reached_ns;
  out["lag_ns"] = latest_ns - std::min(latest_ns, row.reached_ns);
  out["clock_ppm"] = (row.clock_rate - 1) * 1e6;
  out["clock_offset_ns"] = if_known(row.clock_offset_ns);
  out["clock_bound_ns"] = if_known(row.clock_bound_ns);
  out["towards_client"] = names(row.towards_client);
  out["towards_server"] = names(row.towards_server);
  return line_of(out);
}

std::string probe_json(const ProbeRow& row) {
  json::object out{{"name", utf8(row.name)}, {"instance", utf8(row.instance)}, {"software", utf8(row.software)}};
  out["last_sequence"] = row.last_sequence;
  out["batches"] = row.batches;
  out["records"] = row.records;
  out["duplicates"] = row.duplicates;
  out["sequence_gaps"] = row.sequence_gaps;
  return line_of(out);
}

}  // namespace hoptap::exporting
