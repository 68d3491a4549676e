// Runs a scenario into a temporary folder and reads back what was written: the truth, and the captures as TCP
// segments. Checks every checksum on the way.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "appliance/forge/forge.h"
#include "appliance/forge/scenario_reader.h"
#include "base/bytes.h"

namespace hoptap::test {

/// One captured segment, innermost headers.
struct Segment {
  std::int64_t time_ns = 0;
  std::vector<std::string> tunnels;  ///< outermost first: vxlan, gre, ipip
  std::string macs;                  ///< outermost Ethernet addresses
  std::uint32_t source = 0, target = 0;
  std::uint16_t source_port = 0, target_port = 0;
  std::uint8_t ttl = 0;
  std::uint16_t ip_id = 0;
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::uint8_t flags = 0;
  std::uint16_t window = 0;
  bool timestamps = false;
  std::uint32_t tsval = 0, tsecr = 0;
  std::vector<std::uint32_t> sacks;  ///< left, right, left, right
  std::string payload;
  bool cut = false;  ///< by the snap length

  bool is_syn() const { return (flags & 2) != 0; }
  bool is_rst() const { return (flags & 4) != 0; }
  bool is_request() const { return !payload.empty() && (payload.starts_with("GET ") || payload.starts_with("POST ")); }
};

inline std::uint32_t ones_sum(base::Bytes bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += std::uint32_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

/// Reads a TCP header's options.
inline void read_options(base::ByteCursor options, Segment& segment) {
  while (options.ok() && !options.rest().empty()) {
    const std::uint8_t kind = options.u8();
    if (kind == 0) return;
    if (kind == 1) continue;
    const std::uint8_t length = options.u8();
    base::ByteCursor value(options.take(length - 2U));
    if (kind == 8) {
      segment.timestamps = true;
      segment.tsval = value.u32();
      segment.tsecr = value.u32();
    }
    while (kind == 5 && !value.rest().empty()) segment.sacks.push_back(value.u32());
  }
  EXPECT_TRUE(options.ok());
}

inline Segment read_frame(base::Bytes frame, bool cut) {
  Segment segment;
  segment.cut = cut;
  segment.macs = std::string(base::as_text(frame.first(12)));
  base::Bytes ip = frame.subspan(14);
  for (;;) {
    EXPECT_EQ(ip[0], 0x45);
    EXPECT_EQ(ones_sum(ip.first(20)), 0xffffU) << "IP checksum";
    const std::size_t total = base::load_be(ip.subspan(2, 2));
    if (!cut) {
      EXPECT_EQ(total, ip.size());
    }
    const std::uint8_t protocol = ip[9];
    base::Bytes inside = ip.subspan(20);
    if (protocol == 17) {
      segment.tunnels.emplace_back("vxlan");
      EXPECT_EQ(base::load_be(inside.subspan(2, 2)), 4789U);
      if (!cut) {
        EXPECT_EQ(base::load_be(inside.subspan(4, 2)), inside.size());
      }
      ip = inside.subspan(8 + 8 + 14);
    } else if (protocol == 47) {
      segment.tunnels.emplace_back("gre");
      ip = inside.subspan((inside[0] & 0x20) != 0 ? 8 : 4);
    } else if (protocol == 4) {
      segment.tunnels.emplace_back("ipip");
      ip = inside;
    } else {
      EXPECT_EQ(protocol, 6);
      if (!cut) {
        const auto length = static_cast<std::uint32_t>(inside.size());
        EXPECT_EQ(ones_sum(inside, ones_sum(ip.subspan(12, 8)) + 6 + length), 0xffffU) << "TCP checksum";
      }
      break;
    }
  }
  segment.ttl = ip[8];
  segment.ip_id = static_cast<std::uint16_t>(base::load_be(ip.subspan(4, 2)));
  segment.source = static_cast<std::uint32_t>(base::load_be(ip.subspan(12, 4)));
  segment.target = static_cast<std::uint32_t>(base::load_be(ip.subspan(16, 4)));
  base::ByteCursor tcp(ip.subspan(20));
  segment.source_port = tcp.u16();
  segment.target_port = tcp.u16();
  segment.sequence = tcp.u32();
  segment.acknowledgment = tcp.u32();
  const std::size_t header_bytes = (tcp.u8() >> 4) * std::size_t{4};
  segment.flags = tcp.u8();
  segment.window = tcp.u16();
  tcp.u32();
  read_options(base::ByteCursor(tcp.take(header_bytes - 20)), segment);
  segment.payload = std::string(base::as_text(tcp.rest()));
  return segment;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<Segment> read_capture(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  const base::Bytes bytes = base::as_bytes(text);
  EXPECT_EQ(base::load_le(bytes.first(4)), 0xa1b23c4dU);
  std::vector<Segment> segments;
  for (std::size_t at = 24; at < bytes.size();) {
    const base::Bytes head = bytes.subspan(at, 16);
    const std::size_t kept = base::load_le(head.subspan(8, 4));
    const std::size_t wire = base::load_le(head.subspan(12, 4));
    segments.push_back(read_frame(bytes.subspan(at + 16, kept), kept < wire));
    segments.back().time_ns =
        static_cast<std::int64_t>(base::load_le(head.first(4)) * 1'000'000'000 + base::load_le(head.subspan(4, 4)));
    at += 16 + kept;
  }
  return segments;
}

/// A scenario that has been run; its folder goes with it.
class ForgeRun {
 public:
  explicit ForgeRun(const std::string& yaml, std::uint64_t seed = 1) {
    folder_ = std::filesystem::temp_directory_path() /
              ("forge-" + std::to_string(::getpid()) + "-" + std::to_string(++runs()));
    const auto scenario = forge::read_scenario(yaml, "test.yaml");
    if (!scenario) throw std::runtime_error(scenario.error().what);
    const auto result = forge::run_scenario(*scenario, "test.yaml", folder_.string(), seed, [](double) {});
    if (!result) throw std::runtime_error(result.error().what);
    std::istringstream lines(read_file(folder_ / "truth.jsonl"));
    for (std::string line; std::getline(lines, line);) truth_.push_back(boost::json::parse(line).as_object());
    run_ = truth_.front();
    truth_.erase(truth_.begin());
    for (const auto& point : run_.at("points").as_array())
      captures_[std::string(point.at("name").as_string())] =
          read_capture(folder_ / std::string(point.at("file").as_string()));
  }
  ~ForgeRun() { std::filesystem::remove_all(folder_); }
  ForgeRun(const ForgeRun&) = delete;
  ForgeRun& operator=(const ForgeRun&) = delete;

  const std::vector<boost::json::object>& requests() const { return truth_; }
  const boost::json::object& run() const { return run_; }
  const std::vector<Segment>& at(const std::string& point) const { return captures_.at(point); }
  const std::map<std::string, std::vector<Segment>>& captures() const { return captures_; }

  /// All that was written, as one text.
  std::string bytes() const {
    std::string all = read_file(folder_ / "truth.jsonl");
    for (const auto& point : run_.at("points").as_array())
      all += read_file(folder_ / std::string(point.at("file").as_string()));
    return all;
  }

  /// How many resent messages of this kind there are over all requests.
  int resent(std::string_view message, std::string_view cause, bool spurious) const {
    int count = 0;
    for (const auto& request : truth_)
      for (const auto& each : request.at("resent").as_array())
        count += each.at("message").as_string() == message && each.at("cause").as_string() == cause &&
                 each.at("spurious").as_bool() == spurious;
    return count;
  }

 private:
  static int& runs() {
    static int count = 0;
    return count;
  }

  std::filesystem::path folder_;
  boost::json::object run_;
  std::vector<boost::json::object> truth_;
  std::map<std::string, std::vector<Segment>> captures_;
};

/// A scenario of two hosts, with `traffic` and `middle` (elements) and `faults` (YAML text) filled in.
inline std::string scenario_text(const std::string& traffic, const std::string& middle,
                                 const std::string& faults = "[]") {
  return "name: t\ntraffic: {" + traffic + "}\npath:\n  - point: client\n" + middle +
         "  - point: server\nfaults: " + faults + "\n";
}

inline const std::string kWire = "  - segment: {delay_us: {uniform: [80, 120]}}\n";

}  // namespace hoptap::test
