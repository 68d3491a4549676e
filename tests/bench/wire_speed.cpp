// What a hop record costs on the wire and how fast batches are made and read, beside plain records as the floor.
// usage: hoptap-wire-speed [--together] CAPTURE... ; each capture, or all together, is a probe's. Prints rows of a
// Markdown table.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "export/wire/batch.h"
#include "flowtable/record_codec.h"
#include "tests/bench/batches.h"
#include "tests/bench/measure.h"

namespace {

using namespace hoptap;

constexpr std::size_t kRecordsTimed = 200'000;  ///< captures that hold fewer are gone over again

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

int measure(const std::vector<std::string>& files, std::size_t records_max, bool together) {
  bench::Batches kept(appliance::names_of_files(files), records_max, together);
  auto replay = appliance::Replay::open(files, {}, kept);
  if (files.empty() || !replay) {
    fmt::print(stderr, "usage: hoptap-wire-speed [--together] CAPTURE...\n{}\n", replay ? "" : replay.error().what);
    return 2;
  }
  while (replay->step()) {
  }
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
  const double sending = encoding + compressing, reading = unpacking + decoding;
  fmt::print("| {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.0f} | {:.0f} | {:.1f} | {:.0f} |\n", records_max,
             static_cast<double>(bytes_of(compressed)) / hops, static_cast<double>(bytes_of(encoded)) / hops,
             static_cast<double>(plain_compressed) / hops, static_cast<double>(plain_bytes) / hops, records / sending,
             hops / floor, hops / floor * sending / records, records / reading);
  return same ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const bool together = count > 1 && std::string_view(arguments[1]) == "--together";
  const std::vector<std::string> files(arguments + (together ? 2 : 1), arguments + count);
  fmt::print(
      "| records a batch | bytes per hop record | before zstd | floor: plain and zstd | plain | encoded and "
      "compressed/s | "
      "floor: plain/s | x floor | unpacked and decoded/s |\n"
      "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  int worst = 0;
  for (const std::size_t records : {1000u, 50u}) worst = std::max(worst, measure(files, records, together));
  return worst;
}
