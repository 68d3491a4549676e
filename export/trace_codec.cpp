#include "export/trace_codec.h"

#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "base/archive.h"
#include "flowtable/record_codec.h"
#include "linker/group.h"

namespace hoptap::exporting {
namespace {

using base::ArchiveReader;
using base::ArchiveWriter;

constexpr std::uint8_t kTraceVersion = 1;
constexpr std::uint8_t kVerdictVersion = 1;
constexpr std::uint8_t kSketchVersion = 1;
constexpr std::size_t kHopsMax = 1u << 12;
constexpr std::size_t kListMax = 1u << 14;  // of everything that is there once or twice per hop

// Numbers the archive does not have by itself: signed ones, fractions, indexes of which SIZE_MAX means none.

void visit_signed(ArchiveWriter& archive, const std::int64_t& value) {
  archive.number(base::zigzag(static_cast<std::uint64_t>(value)));
}
void visit_signed(ArchiveReader& archive, std::int64_t& value) {
  std::uint64_t coded = 0;
  archive.number(coded);
  value = static_cast<std::int64_t>(base::unzigzag(coded));
}

/// The bytes of a double the other way round: those of simple fractions end in zeros.
constexpr std::uint64_t swapped(std::uint64_t bits) {
  std::uint64_t out = 0;
  for (int at = 0; at < 8; ++at) out = out << 8 | (bits >> (8 * at) & 0xff);
  return out;
}
void visit_fraction(ArchiveWriter& archive, const double& value) {
  archive.number(swapped(std::bit_cast<std::uint64_t>(value)));
}
void visit_fraction(ArchiveReader& archive, double& value) {
  std::uint64_t coded = 0;
  archive.number(coded);
  value = std::bit_cast<double>(swapped(coded));
}

void visit_index(ArchiveWriter& archive, const std::size_t& value) { archive.number(value + 1); }
void visit_index(ArchiveReader& archive, std::size_t& value) {
  archive.number(value);
  --value;
}

// Each visit() names the fields once, for writing (Value is const) and for reading.

template <class Archive, class Value>
void visit_node(Archive& archive, Value& node) {
  archive.number(node.point);
  archive.number(node.rank);
}

template <class Archive, class Value>
void visit_hop(Archive& archive, Value& hop) {
  visit_node(archive, hop.node);
  archive.text(hop.point);
  archive.text(hop.role);
  archive.text(hop.detail);
  archive.number(hop.tier);
  archive.number(hop.stream);
  visit_fraction(archive, hop.rate);
  archive.number(hop.timed);
}

template <class Archive, class Value>
void visit_stops(Archive& archive, Value& trace) {
  archive.count(trace.stops, kListMax);
  for (auto& stop : trace.stops) {
    visit_node(archive, stop.node);
    archive.text(stop.point);
    visit_index(archive, stop.hop);
    archive.number(stop.stream);
  }
  archive.count(trace.losses, kListMax);
  for (auto& loss : trace.losses) {
    archive.number(loss.what);
    archive.number(loss.from);
    visit_fraction(archive, loss.probability);
  }
}

/// All but the hops.
template <class Archive, class Value>
void visit_trace(Archive& archive, Value& trace) {
  archive.hash(trace.id);
  archive.hash(trace.path);
  visit_stops(archive, trace);
  archive.count(trace.parts, kListMax);
  for (auto& part : trace.parts) {
    archive.number(part.kind);
    archive.number(part.from);
    archive.number(part.to);
    visit_signed(archive, part.time_ns);
    archive.number(part.request_copies_lost);
    archive.number(part.response_copies_lost);
  }
  visit_signed(archive, trace.response_time_ns);
  archive.number(trace.flags);
  archive.number(trace.far_end);
  archive.number(trace.reset.by);
  archive.number(trace.reset.from);
  visit_fraction(archive, trace.reset.probability);
  archive.count(trace.missing, kListMax);
  for (auto& missing : trace.missing) {
    visit_node(archive, missing.node);
    archive.text(missing.point);
    archive.text(missing.after);
  }
}

template <class Archive, class Value>
void visit_place(Archive& archive, Value& place) {
  archive.number(place.kind);
  archive.text(place.from);
  archive.text(place.to);
}

template <class Archive, class Value>
void visit_verdict(Archive& archive, Value& verdict) {
  archive.number(verdict.kind);
  archive.text(verdict.from);
  archive.text(verdict.to);
  archive.text(verdict.at);
  visit_signed(archive, verdict.excess_ns);
  visit_signed(archive, verdict.baseline_ns);
  visit_fraction(archive, verdict.contribution);
  visit_fraction(archive, verdict.confidence);
  archive.text(verdict.text);
}

template <class Archive, class Value>
void visit_blame(Archive& archive, Value& blame) {
  visit_place(archive, blame.place);
  visit_signed(archive, blame.excess_ns);
  visit_signed(archive, blame.time_ns);
  visit_signed(archive, blame.baseline_ns);
  visit_signed(archive, blame.spread_ns);
  visit_signed(archive, blame.paced_ns);
  archive.number(blame.known);
  archive.number(blame.request_copies_lost);
  archive.number(blame.response_copies_lost);
  archive.number(blame.spans_missing);
  visit_fraction(archive, blame.certainty);
  archive.number(blame.unordered);
}

template <class Archive, class Value>
void visit_judgement(Archive& archive, Value& judgement) {
  visit_verdict(archive, judgement.verdict);
  archive.count(judgement.blames, kListMax);
  for (auto& blame : judgement.blames) visit_blame(archive, blame);
  archive.number(judgement.culprit);
  visit_signed(archive, judgement.excess_ns);
  archive.number(judgement.slow);
  visit_signed(archive, judgement.server_ns);
  visit_signed(archive, judgement.paced_ns);
  archive.number(judgement.main_segment);
}

template <class Archive, class Value>
void visit_copies(Archive& archive, Value& lost) {
  archive.number(lost.request);
  archive.number(lost.response);
}

void visit_shared(ArchiveWriter& archive, const std::optional<linker::SharedBy>& shared) {
  archive.number(shared.has_value());
  if (!shared) return;
  archive.text(shared->what);
  archive.text(shared->value);
  visit_fraction(archive, shared->of_slow);
  visit_fraction(archive, shared->of_all);
}
void visit_shared(ArchiveReader& archive, std::optional<linker::SharedBy>& shared) {
  bool present = false;
  archive.number(present);
  if (!present) return;
  shared.emplace();
  archive.text(shared->what);
  archive.text(shared->value);
  visit_fraction(archive, shared->of_slow);
  visit_fraction(archive, shared->of_all);
}

template <class Archive, class Value>
void visit_run_verdict(Archive& archive, Value& verdict) {
  visit_verdict(archive, verdict);
  for (auto* number : {&verdict.requests, &verdict.unanswered, &verdict.slow}) archive.number(*number);
  visit_fraction(archive, verdict.share_of_excess);
  visit_signed(archive, verdict.excess_p95_ns);
  visit_copies(archive, verdict.lost_here);
  visit_copies(archive, verdict.lost_elsewhere);
  visit_signed(archive, verdict.server_ns);
  visit_signed(archive, verdict.server_usual_ns);
  archive.text(verdict.server_point);
  archive.number(verdict.server_known);
  visit_signed(archive, verdict.response_p50_ns);
  visit_signed(archive, verdict.response_p95_ns);
  archive.count(verdict.evidence, kListMax);
  for (auto& id : verdict.evidence) archive.hash(id);
  archive.count(verdict.missing, kListMax);
  for (auto& missing : verdict.missing) {
    archive.text(missing.point);
    visit_fraction(archive, missing.share);
  }
  archive.number(verdict.points_max);
  visit_place(archive, verdict.leading);
  visit_signed(archive, verdict.leading_ns);
  archive.text(verdict.because);
  archive.count(verdict.inside, kListMax);
  for (auto& point : verdict.inside) archive.text(point);
  visit_shared(archive, verdict.shared_by);
  archive.number(verdict.resets);
  archive.number(verdict.resets_here);
}

// ---- what was read must be safe to draw

bool sane(const linker::Verdict& verdict) { return verdict.kind <= linker::VerdictKind::kCannotTell; }

bool sane(const linker::Trace& trace) {
  bool good = trace.far_end <= linker::FarEnd::kBeyond && trace.reset.by <= linker::ResetBy::kMiddlebox;
  good = good && (trace.reset.by != linker::ResetBy::kMiddlebox || trace.reset.from + 1 < trace.stops.size());
  for (const linker::Part& part : trace.parts) {
    good = good && part.kind <= linker::PartKind::kDelayedAck && part.from < trace.hops.size() &&
           part.to < trace.hops.size();
  }
  for (const linker::Stop& stop : trace.stops) {
    good = good && (stop.hop == linker::Stop::kMissing || stop.hop < trace.hops.size());
  }
  for (const linker::Loss& loss : trace.losses) {
    good = good && loss.what <= linker::Lost::kResponseAck && loss.from < trace.stops.size() &&
           loss.from + 1 < trace.stops.size();
  }
  return good;
}

bool sane(const linker::Judgement& judgement) {
  bool good = sane(judgement.verdict);
  for (const linker::Blame& blame : judgement.blames) {
    good = good && blame.place.kind <= linker::VerdictKind::kCannotTell;
  }
  return good;
}

/// Takes the version byte off the front.
base::Result<void> check_version(base::Bytes& bytes, std::uint8_t version) {
  if (bytes.empty()) return tl::unexpected(base::Error::kTruncated);
  if (bytes.front() != version) return tl::unexpected(base::Error::kBadVersion);
  bytes = bytes.subspan(1);
  return {};
}

/// The error of a reading that ended with `bytes` left over, if it was one.
base::Result<void> check_end(const ArchiveReader& reader, base::Bytes rest) {
  if (!reader.ok()) return tl::unexpected(base::Error::kTruncated);
  if (!rest.empty()) return tl::unexpected(base::Error::kBadLength);
  return {};
}

}  // namespace

void encode(const linker::Trace& trace, const linker::Judgement& judgement, std::vector<std::uint8_t>& out) {
  out.push_back(kTraceVersion);
  ArchiveWriter writer(out);
  writer.count(trace.hops, kHopsMax);
  for (std::size_t at = 0; at < trace.hops.size() && at < kHopsMax; ++at) {
    visit_hop(writer, trace.hops[at]);
    flowtable::encode(trace.hops[at].record, out);
  }
  visit_trace(writer, trace);
  visit_judgement(writer, judgement);
}

base::Result<JudgedTrace> decode_trace(base::Bytes bytes) {
  if (const auto version = check_version(bytes, kTraceVersion); !version) return tl::unexpected(version.error());
  JudgedTrace judged;
  ArchiveReader reader(bytes);
  reader.count(judged.trace.hops, kHopsMax);
  for (linker::Hop& hop : judged.trace.hops) {
    visit_hop(reader, hop);
    base::Result<flowtable::HopRecord> record = flowtable::decode_hop(bytes);
    if (!record) return tl::unexpected(record.error());
    hop.record = std::move(*record);
  }
  visit_trace(reader, judged.trace);
  visit_judgement(reader, judged.judgement);
  if (const auto ended = check_end(reader, bytes); !ended) return tl::unexpected(ended.error());
  if (!sane(judged.trace) || !sane(judged.judgement)) return tl::unexpected(base::Error::kBadLength);
  return judged;
}

void encode(const linker::RunVerdict& verdict, std::vector<std::uint8_t>& out) {
  out.push_back(kVerdictVersion);
  ArchiveWriter writer(out);
  visit_run_verdict(writer, verdict);
}

base::Result<linker::RunVerdict> decode_run_verdict(base::Bytes bytes) {
  if (const auto version = check_version(bytes, kVerdictVersion); !version) return tl::unexpected(version.error());
  linker::RunVerdict verdict;
  ArchiveReader reader(bytes);
  visit_run_verdict(reader, verdict);
  if (const auto ended = check_end(reader, bytes); !ended) return tl::unexpected(ended.error());
  if (!sane(verdict) || verdict.leading.kind > linker::VerdictKind::kCannotTell) {
    return tl::unexpected(base::Error::kBadLength);
  }
  return verdict;
}

void encode(const base::Sketch& sketch, std::vector<std::uint8_t>& out) {
  out.push_back(kSketchVersion);
  ArchiveWriter writer(out);
  writer.number(sketch.zeros());
  writer.number(sketch.first_bucket());
  writer.count(sketch.counts(), base::Sketch::kBucketsMax);
  for (const std::uint32_t count : sketch.counts()) writer.number(count);
}

base::Result<base::Sketch> decode_sketch(base::Bytes bytes) {
  if (const auto version = check_version(bytes, kSketchVersion); !version) return tl::unexpected(version.error());
  std::uint64_t zeros = 0;
  std::size_t first_bucket = 0;
  std::vector<std::uint32_t> counts;
  ArchiveReader reader(bytes);
  reader.number(zeros);
  reader.number(first_bucket);
  reader.count(counts, base::Sketch::kBucketsMax);
  for (std::uint32_t& count : counts) reader.number(count);
  if (const auto ended = check_end(reader, bytes); !ended) return tl::unexpected(ended.error());
  std::optional<base::Sketch> sketch = base::Sketch::from_parts(zeros, first_bucket, std::move(counts));
  if (!sketch) return tl::unexpected(base::Error::kBadLength);
  return std::move(*sketch);
}

}  // namespace hoptap::exporting
