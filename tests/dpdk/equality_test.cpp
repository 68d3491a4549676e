// One capture by three ways in gives the same records, times aside: read from its file, replayed by tcpreplay into a
// ring, and through a port of DPDK (net_pcap). With the file's own times, which net_pcap hands on, times too.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "appliance/probe/live_worker.h"
#include "appliance/replay.h"
#include "capture/dpdk/dpdk.h"
#include "capture/file_source.h"
#include "export/json.h"
#include "flowtable/record_codec.h"
#include "tests/dpdk/devices.h"
#include "tests/live/network.h"

namespace hoptap::test {
namespace {

namespace fs = std::filesystem;
using flowtable::HopRecord;
using flowtable::LegRecord;

constexpr capture::LinkType kEthernet = 1;

struct Records final : flowtable::RecordSink {
  std::vector<HopRecord> hops;
  std::vector<LegRecord> legs;

  void hop(const HopRecord& record) override { hops.push_back(record); }
  void leg(const LegRecord& record) override { legs.push_back(record); }
  void metrics(const flowtable::FlowMetrics&) override {}
};

/// A time as seen or not; how long something took is gone.
void forget_times(flowtable::MessageRecord& message) {
  for (std::uint64_t* time : {&message.first_ns, &message.last_ns, &message.last_copy_ns, &message.ack_ns})
    *time = *time != 0 ? 1 : 0;
  message.ack_wait_ns = message.ack_release_ns = message.zero_window_ns = 0;
  for (flowtable::Copy& copy : message.copy) copy.delay_ns = 0;
}

void forget_times(HopRecord& hop) {
  forget_times(hop.request);
  forget_times(hop.response);
  for (std::uint64_t* time : {&hop.to_server_reset.time_ns, &hop.to_client_reset.time_ns}) *time = *time != 0 ? 1 : 0;
}

void forget_times(LegRecord& leg) {
  for (std::uint64_t* time : {&leg.first_ns, &leg.last_ns, &leg.syn_ns, &leg.syn_ack_ns, &leg.ack_ns})
    *time = *time != 0 ? 1 : 0;
}

/// The number of a UDP conversation is made of its first packet's time, for it has no sequence numbers.
std::uint64_t without_time(std::uint64_t leg_id, std::uint8_t transport) {
  constexpr std::uint8_t kUdp = 17;
  return transport == kUdp ? 0 : leg_id;
}

/// Every field, in hexadecimal behind what a person reads.
std::string text_of(const HopRecord& hop) {
  std::string text = exporting::hop_json(hop);
  std::vector<std::uint8_t> bytes;
  flowtable::encode(hop, bytes);
  for (const std::uint8_t byte : bytes) text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
  return text;
}

std::string text_of(const LegRecord& leg) {
  return exporting::leg_json(leg) + " " + std::to_string(leg.point) + " " + std::to_string(leg.leg_id) + " " +
         std::to_string(leg.syn_fingerprint);
}

/// Sorted, for connections end in the order of their times.
std::vector<std::string> lines_of(Records records, bool with_times) {
  std::vector<std::string> lines;
  for (HopRecord& hop : records.hops) {
    if (!with_times) {
      forget_times(hop);
      hop.leg_id = without_time(hop.leg_id, hop.transport);
      hop.record_id = 0;  // their order: a quiet second gives out what a file gives out at the end of a connection
    }
    lines.push_back(text_of(hop));
  }
  for (LegRecord& leg : records.legs) {
    if (!with_times) {
      forget_times(leg);
      leg.leg_id = without_time(leg.leg_id, leg.transport);
    }
    lines.push_back(text_of(leg));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// Differences, a line each.
std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& got) {
  std::vector<std::string> missing, more;
  std::set_difference(expected.begin(), expected.end(), got.begin(), got.end(), std::back_inserter(missing));
  std::set_difference(got.begin(), got.end(), expected.begin(), expected.end(), std::back_inserter(more));
  std::string text;
  for (const std::string& line : missing) text += "\n- " + line;
  for (const std::string& line : more) text += "\n+ " + line;
  return text;
}

/// The capture with times in microseconds, which is what net_pcap reads; gone at the end.
struct Copy {
  explicit Copy(const fs::path& source) {
    const auto opened = capture::open_file(source);
    EXPECT_TRUE(opened) << opened.error().what;
    std::ofstream file(path, std::ios::binary);
    const auto put = [&file](std::uint64_t value) {
      const auto word = static_cast<std::uint32_t>(value);
      file.write(reinterpret_cast<const char*>(&word), sizeof word);
    };
    for (const std::uint32_t word : {0xa1b2c3d4u, 0x00040002u, 0u, 0u, 262144u, std::uint32_t{kEthernet}}) put(word);
    std::array<capture::Packet, capture::kBatchPackets> batch;
    while (const std::size_t count = (*opened)->poll(batch)) {
      for (const capture::Packet& packet : std::span(batch).first(count)) {
        put(packet.time_ns / 1'000'000'000);
        put(packet.time_ns % 1'000'000'000 / 1000);
        put(packet.bytes.size());
        put(packet.wire_bytes);
        file.write(reinterpret_cast<const char*>(packet.bytes.data()),
                   static_cast<std::streamsize>(packet.bytes.size()));
        ++packets;
        is_whole = is_whole && packet.bytes.size() == packet.wire_bytes;
      }
    }
    is_ethernet = (*opened)->interfaces().size() == 1 && (*opened)->interfaces()[0].link_type == kEthernet;
  }
  ~Copy() { fs::remove(path); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  const std::string path = fs::temp_directory_path() / own_name("copy.pcap");
  std::size_t packets = 0;
  bool is_whole = true;
  bool is_ethernet = false;
};

/// The demo's eight captures are long, and of two kinds: inside and outside of a tunnel.
bool is_like_another(const fs::path& path) {
  const std::string name = path.filename();
  return path.parent_path().parent_path().filename() == "demo" && name != "01_pod-a.pcap" && name != "04_switch-a.pcap";
}

Records by_file(const Copy& copy) {
  Records records;
  auto replay = appliance::Replay::open({copy.path}, {}, records);
  EXPECT_TRUE(replay);
  while (replay->step()) {
  }
  return records;
}

/// What a probe's worker makes of it. `send` brings the packets, if the source does not.
Records by_worker(const appliance::LiveInput& input, std::unique_ptr<capture::LiveSource> source, std::size_t packets,
                  const std::function<void()>& send) {
  appliance::LiveWorkerConfig config;
  config.input = input;
  config.flows.key.seed = appliance::secret_seed();
  auto worker = appliance::LiveWorker::open(config, std::move(source));
  EXPECT_TRUE(worker) << worker.error().what;
  if (!worker) return {};
  (*worker)->start();
  send();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while ((*worker)->status().capture.packets < packets && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  (*worker)->stop();
  Records records;
  for (bool ended = false; !ended;) {
    ended = (*worker)->status().ended;  // before the last records are taken
    for (const appliance::LiveRecord& record : (*worker)->take()) {
      if (const auto* hop = std::get_if<HopRecord>(&record)) records.hop(*hop);
      if (const auto* leg = std::get_if<LegRecord>(&record)) records.leg(*leg);
    }
    if (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ((*worker)->status().capture.packets, packets);
  return records;
}

Records by_ring(const Copy& copy, const VethPair& pair) {
  appliance::LiveInput input;
  input.capture.interface = pair.far;
  return by_worker(input, nullptr, copy.packets, [&] {
    const std::string command = "tcpreplay -q -i " + pair.near + " " + copy.path + " >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  });
}

Records by_dpdk(const Copy& copy, bool with_times) {
  appliance::LiveInput input;
  input.way = appliance::CaptureWay::kDpdk;
  input.capture.interface = make_device("net_pcap", "rx_pcap=" + copy.path);
  input.capture.asks_nic_time = with_times;
  auto opened = capture::open_dpdk_port(input.capture, 1);
  EXPECT_TRUE(opened) << opened.error().what;
  if (!opened) return {};
  return by_worker(input, std::move(opened->front()), copy.packets, [] {});
}

TEST(EqualityTest, ThreeWaysInGiveTheSameRecords) {
  if (std::system("tcpreplay --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "tcpreplay is not installed";
  const VethPair pair;
  std::size_t captures = 0, packets = 0, hops = 0, legs = 0, tunnelled = 0;
  std::vector<std::string> protocols;
  for (const char* folder : {"http", "dns", "tls", "opaque", "lab"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(HOPTAP_PCAPS) / folder)) {
      if (entry.path().extension() != ".pcap" || is_like_another(entry.path())) continue;
      const Copy copy(entry.path());
      if (!copy.is_ethernet || !copy.is_whole) continue;
      SCOPED_TRACE(entry.path());
      const Records expected = by_file(copy);
      const std::vector<std::string> lines = lines_of(expected, false);
      EXPECT_EQ(difference(lines, lines_of(by_ring(copy, pair), false)), "") << "the ring";
      EXPECT_EQ(difference(lines, lines_of(by_dpdk(copy, false), false)), "") << "DPDK";
      EXPECT_EQ(difference(lines_of(expected, true), lines_of(by_dpdk(copy, true), true)), "") << "DPDK, with times";
      ++captures;
      packets += copy.packets;
      hops += expected.hops.size();
      legs += expected.legs.size();
      for (const HopRecord& hop : expected.hops) {
        tunnelled += hop.vantage.tunnels.depth > 0 ? 1 : 0;
        if (std::find(protocols.begin(), protocols.end(), hop.protocol) == protocols.end())
          protocols.push_back(hop.protocol);
      }
    }
  }
  std::string names;
  for (const std::string& protocol : protocols) names += " " + protocol;
  std::printf("equal: %zu captures, %zu packets, %zu hop records (%zu in tunnels) and %zu leg records;%s\n", captures,
              packets, hops, tunnelled, legs, names.c_str());
  EXPECT_GE(captures, 35u);
  EXPECT_GT(tunnelled, 0u);
  EXPECT_GE(protocols.size(), 4u);
}

}  // namespace
}  // namespace hoptap::test
