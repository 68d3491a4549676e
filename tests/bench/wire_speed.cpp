// What a hop record costs on the wire and how fast batches are made and read, beside plain records as the floor.
// usage: hoptap-wire-speed CAPTURE... ; prints one line for each size of batch.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "appliance/replay.h"
#include "export/wire/batch.h"
#include "flowtable/record_codec.h"
#include "tests/bench/cpu_clock.h"

namespace {

using namespace hoptap;
using exporting::Batch;

constexpr std::size_t kRecordsTimed = 200'000;  ///< captures that hold fewer are gone over again

/// Records in the order in which they end, cut into batches.
class Batches : public flowtable::RecordSink {
 public:
  explicit Batches(std::size_t records_max) : records_max_(records_max) {}
  void hop(flowtable::HopRecord&& record) override {
    record.point = at(record.point);
    last().hops.push_back(std::move(record));
    ++hops;
    seal();
  }
  void leg(flowtable::LegRecord&& record) override {
    record.point = at(record.point);
    last().legs.push_back(std::move(record));
    ++legs;
    seal();
  }
  std::vector<Batch> batches;
  std::size_t hops = 0;
  std::size_t legs = 0;

 private:
  static std::uint32_t at(std::uint32_t point) { return point / appliance::Feed::kPointsPerFeed; }
  Batch& last() {
    if (batches.empty()) batches.emplace_back();
    return batches.back();
  }
  void seal() {
    Batch& batch = last();
    if (batch.hops.size() + batch.legs.size() < records_max_) return;
    batches.emplace_back();
  }
  std::size_t records_max_;
};

/// Seconds for one pass over all batches: the best of those that fit, for the others were disturbed.
double best_of(std::size_t passes, const std::function<void()>& pass) {
  double best = 1e9;
  for (std::size_t at = 0; at < passes; ++at) {
    const bench::CpuClock clock;
    pass();
    best = std::min(best, clock.seconds());
  }
  return best;
}

std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

int measure(const std::vector<std::string>& files, std::size_t records_max) {
  Batches kept(records_max);
  auto replay = appliance::Replay::open(files, {}, kept);
  if (files.empty() || !replay) {
    fmt::print(stderr, "usage: hoptap-wire-speed CAPTURE...\n{}\n", replay ? "" : replay.error().what);
    return 2;
  }
  while (replay->step()) {
  }
  for (Batch& batch : kept.batches)
    for (const auto& feed : replay->feeds())
      batch.points.push_back({.name = feed->path(), .role = "node", .reached_ns = feed->now_ns(), .packets = 1});
  const auto records = static_cast<double>(kept.hops + kept.legs);
  const std::size_t passes = std::max<std::size_t>(3, kRecordsTimed / (kept.hops + kept.legs + 1));

  std::vector<std::string> encoded(kept.batches.size());
  std::vector<std::string> compressed(kept.batches.size());
  std::vector<std::vector<std::uint8_t>> plain(kept.batches.size());
  std::size_t plain_compressed = 0;
  const auto all = [&](auto&& one) {
    return [&] {
      for (std::size_t at = 0; at < kept.batches.size(); ++at) one(at);
    };
  };
  const double encoding =
      best_of(passes, all([&](auto at) { encoded[at] = exporting::encode_batch(kept.batches[at]); }));
  const double compressing = best_of(passes, all([&](auto at) { compressed[at] = exporting::compress(encoded[at]); }));
  bool same = true;
  const double decoding =
      best_of(passes, all([&](auto at) { same &= exporting::decode_batch(encoded[at]).has_value(); }));
  const double unpacking = best_of(
      passes, all([&](auto at) { same &= exporting::decompress(compressed[at], 64u << 20).value() == encoded[at]; }));
  const double floor = best_of(passes, all([&](auto at) {
                                 plain[at].clear();
                                 for (const auto& hop : kept.batches[at].hops) flowtable::encode(hop, plain[at]);
                               }));
  std::size_t plain_bytes = 0;
  for (const auto& bytes : plain) {
    plain_bytes += bytes.size();
    plain_compressed += exporting::compress(base::as_text(bytes)).size();
  }
  const auto hops = static_cast<double>(std::max<std::size_t>(1, kept.hops));
  fmt::print(
      "{} hops, {} legs, {} a batch: {:.1f} bytes per hop record ({:.1f} before zstd; plain {:.1f}, zstd {:.1f})\n",
      kept.hops, kept.legs, records_max, static_cast<double>(bytes_of(compressed)) / hops,
      static_cast<double>(bytes_of(encoded)) / hops, static_cast<double>(plain_bytes) / hops,
      static_cast<double>(plain_compressed) / hops);
  fmt::print(
      "  per second: encoded {:.0f}, and compressed {:.0f}; decoded {:.0f}, unpacked first {:.0f}; plain {:.0f}\n",
      records / encoding, records / (encoding + compressing), records / decoding, records / (decoding + unpacking),
      hops / floor);
  return same ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> files(arguments + 1, arguments + count);
  int worst = 0;
  for (const std::size_t records : {1000u, 50u}) worst = std::max(worst, measure(files, records));
  return worst;
}
