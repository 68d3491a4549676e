// Every capture of tests/pcaps, many ways: as it is, cut into other segments, with only the beginning of each packet,
// with a segment dropped, with two swapped. HOPTAP_GOLDEN=update rewrites the golden files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "tests/golden/trial.h"

namespace hoptap::tests {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> captures() {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(HOPTAP_PCAPS)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".pcap") || name.ends_with(".pcapng")) found.push_back(fs::relative(entry.path(), HOPTAP_PCAPS));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string path_of(const std::string& name) { return (fs::path(HOPTAP_PCAPS) / name).string(); }

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What pairs a request with a response, for protocols whose message boundaries do not depend on
/// which segments came through; and the resource.
using Pairs =
    std::map<std::tuple<base::Endpoint, base::Endpoint, std::uint32_t, std::uint32_t, std::uint64_t>, std::string>;

/// @param only  of this protocol
Pairs pairs_of(const Records& records, std::string_view only = {}) {
  Pairs pairs;
  for (const auto& hop : records.hops) {
    const bool framed = only.empty() ? hop.protocol == "http" || hop.protocol == "dns" : hop.protocol == only;
    if (framed && hop.request.seen() && hop.response.seen())
      pairs[{hop.client, hop.server, hop.request.sequence, hop.response.sequence, hop.key}] = hop.resource;
  }
  return pairs;
}

/// The resources of pairs that are not among the true ones. @param cut  the beginning of a resource will do
std::vector<std::string> invented(const Pairs& pairs, const Pairs& truth, bool cut) {
  std::vector<std::string> found;
  for (const auto& [pair, resource] : pairs) {
    const auto same = truth.find(pair);
    const bool is_true =
        same != truth.end() && (same->second == resource || (cut && same->second.starts_with(resource)));
    if (!is_true) found.push_back(resource);
  }
  return found;
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { capture_.emplace(path_of(GetParam())); }
  std::optional<Capture> capture_;
};

TEST_P(Golden, AsItIs) {
  const std::string golden_path = fs::path(path_of(GetParam())).replace_extension(".golden");
  const std::string text = golden_text(run(capture_->packets()), true);
  if (const char* mode = std::getenv("HOPTAP_GOLDEN"); mode != nullptr && std::string(mode) == "update") {
    std::ofstream(golden_path) << text;
    return;
  }
  ASSERT_TRUE(fs::exists(golden_path)) << "no " << golden_path << "; HOPTAP_GOLDEN=update writes it";
  EXPECT_EQ(text, contents(golden_path));
}

TEST_P(Golden, TheSameInAnyBatches) {
  const std::string expected = golden_text(run(capture_->packets()), true);
  for (const std::size_t batch_packets : {std::size_t{1}, std::size_t{7}, std::size_t{100}})
    EXPECT_EQ(golden_text(run(capture_->packets(), batch_packets), true), expected);
}

TEST_P(Golden, CutAtEveryByteAndAtRandom) {
  Records whole = run(capture_->packets());
  for (auto& hop : whole.hops) forget_boundaries(hop);
  const std::string expected = golden_text(whole, false);
  std::mt19937 random(7);
  const std::vector<std::function<std::size_t()>> ways{
      [] { return std::size_t{1}; },
      [&] { return std::size_t{random() % 7 + 1}; },
      [&] { return std::size_t{random() % 400 + 1}; },
  };
  for (const auto& way : ways) {
    Records records = run(cut(capture_->packets(), way));
    for (auto& hop : records.hops) forget_boundaries(hop);
    EXPECT_EQ(golden_text(records, false), expected);
  }
}

/// How many changed runs a capture gets at most; a larger one has its packets sampled evenly.
constexpr std::size_t kTrialsMax = 300;

const std::vector<std::string> kNothing;

/// What a capture keeps of each payload.
constexpr std::size_t kAll = SIZE_MAX, kFew = 24, kSome = 134, kMany = 512;

TEST_P(Golden, NoPairIsInventedWhenASegmentIsDropped) {
  const Pairs truth = pairs_of(run(capture_->packets()));
  for (const std::size_t kept_bytes : {kAll, kFew, kSome}) {
    const auto packets = beginnings(capture_->packets(), kept_bytes);
    const std::size_t step = packets.size() / kTrialsMax + 1;
    for (std::size_t i = 0; i < packets.size(); i += step) {
      auto changed = packets;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(invented(pairs_of(run(changed)), truth, kept_bytes != kAll), kNothing)
          << "packet " << i + 1 << " dropped";
    }
  }
}

TEST_P(Golden, NoPairIsInventedWhenSegmentsAreSwapped) {
  const Pairs truth = pairs_of(run(capture_->packets()));
  for (const std::size_t kept_bytes : {kAll, kFew, kSome}) {
    const auto packets = beginnings(capture_->packets(), kept_bytes);
    const std::size_t step = packets.size() / kTrialsMax + 1;
    for (std::size_t i = 0; i + 1 < packets.size(); i += step) {
      auto changed = packets;
      std::swap(changed[i], changed[i + 1]);
      std::swap(changed[i].time_ns, changed[i + 1].time_ns);
      EXPECT_EQ(invented(pairs_of(run(changed)), truth, kept_bytes != kAll), kNothing)
          << "packets " << i + 1 << " and " << i + 2 << " swapped";
    }
  }
}

TEST(GoldenBeginnings, OfPacketsThatWereCutNearlyAllPairsAreFound) {
  std::size_t pairs = 0, found = 0;
  for (const std::string& name : captures()) {
    const Capture capture(path_of(name));
    const Pairs truth = pairs_of(run(capture.packets()), "http");
    pairs += truth.size();
    for (const std::size_t kept_bytes : {kFew, kSome, kMany}) {
      const Pairs seen = pairs_of(run(beginnings(capture.packets(), kept_bytes)), "http");
      EXPECT_EQ(invented(seen, truth, true), kNothing) << name << ", " << kept_bytes;
      if (kept_bytes == kSome) found += seen.size();
    }
  }
  RecordProperty("pairs", static_cast<int>(pairs));
  EXPECT_GT(pairs, 500u);
  EXPECT_GE(found, pairs * 97 / 100) << pairs << " pairs";
}

/// What a cut capture has to tell as a whole one does, of exchanges told by turns.
std::string turns_text(Records records) {
  for (auto& hop : records.hops) {
    hop.flags &=
        ~(flowtable::record_flag::kTruncated | flowtable::record_flag::kHandshake);  // records within a segment
    hop.request.head_hash = hop.response.head_hash = 0;
    hop.endpoint.clear();
  }
  records.legs.clear();
  return golden_text(records, false);
}

TEST(GoldenBeginnings, OfPacketsThatWereCutTurnsAreTheSame) {
  std::size_t turns = 0;
  for (const std::string& name : captures()) {
    const bool is_tls = name.starts_with("tls/");
    if (!is_tls && !name.starts_with("opaque/")) continue;
    const Capture capture(path_of(name));
    const Records whole = run(capture.packets());
    turns += whole.hops.size();
    for (const std::size_t kept_bytes : {is_tls ? std::size_t{5} : 0, std::size_t{12}, kFew, kSome, kMany})
      EXPECT_EQ(turns_text(run(beginnings(capture.packets(), kept_bytes))), turns_text(whole))
          << name << ", " << kept_bytes;
  }
  EXPECT_GE(turns, 40u);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Pcaps, Golden, testing::ValuesIn(captures()), test_name);

}  // namespace
}  // namespace hoptap::tests
