#include "appliance/doctor/listening.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

#include "appliance/probe/live_capture.h"
#include "appliance/probe/live_view.h"

namespace hoptap::appliance {
namespace {

/// Sums over the connections of each point.
class Sums : public flowtable::RecordSink {
 public:
  struct Point {
    std::uint64_t hops = 0, legs = 0, two_way = 0, packets = 0, duplicates = 0;
    std::uint64_t acknowledged = 0, unseen = 0;
  };

  explicit Sums(std::size_t points) : points_(points) {}
  const Point& at(std::size_t point) const { return points_[point]; }

  void hop(const flowtable::HopRecord& record) override { ++of(record.point).hops; }
  void metrics(const flowtable::FlowMetrics&) override {}
  void leg(const flowtable::LegRecord& record) override {
    Point& point = of(record.point);
    ++point.legs;
    point.two_way += record.to_server.packets > 0 && record.to_client.packets > 0 ? 1 : 0;
    for (const flowtable::LegRecord::Direction* one : {&record.to_server, &record.to_client}) {
      point.packets += one->packets;
      point.duplicates += one->duplicates_removed;
      point.acknowledged += one->acknowledged_bytes;
      point.unseen += one->unseen_bytes;
    }
  }

 private:
  /// Of the interface, with all that is mirrored to it.
  Point& of(std::uint32_t point) { return points_[point / LiveCapture::kPointsPerInput]; }

  std::vector<Point> points_;
};

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Finding traffic(const std::string& topic, const LiveStatus& status, const Sums::Point& sums, double seconds) {
  const auto packets = static_cast<double>(status.capture.packets);
  Finding finding{topic, Severity::kGood,
                  fmt::format("{:.0f} packets/s, {:.1f} Mbit/s, {} connections, {} exchanges", packets / seconds,
                              8e-6 * static_cast<double>(status.capture.bytes) / seconds, sums.legs, sums.hops),
                  ""};
  if (status.capture.packets == 0) {
    finding.severity = Severity::kTrouble;
    finding.text = fmt::format("no packet in {:.0f} s", seconds);
    finding.fix = "is the mirror session on, and the cable in this port?";
  }
  return finding;
}

/// Each only where there is enough to tell by.
void add_quality(const std::string& topic, const LiveStatus& status, const Sums::Point& sums, Findings& findings) {
  constexpr std::uint64_t kEnoughLegs = 10, kEnoughBytes = 100'000;
  constexpr double kMostTwoWay = 0.5, kFewDuplicates = 0.02, kComplete = 0.999;
  if (const std::uint64_t dropped = status.capture.dropped_by_ring.value_or(0); dropped > 0)
    findings.push_back({topic, Severity::kTrouble,
                        fmt::format("the kernel dropped {} packets for want of room", dropped),
                        "more workers, a larger ring_mib, or a filter"});
  if (sums.legs >= kEnoughLegs && share(sums.two_way, sums.legs) < kMostTwoWay)
    findings.push_back(
        {topic, Severity::kTrouble,
         fmt::format("only {:.0f} % of the connections show both directions", 100 * share(sums.two_way, sums.legs)),
         "mirror both directions of the port (rx and tx), or both ports of the path"});
  if (share(sums.duplicates, sums.packets + sums.duplicates) > kFewDuplicates)
    findings.push_back({topic, Severity::kNote,
                        fmt::format("{:.0f} % of the packets come twice; the copies are removed",
                                    100 * share(sums.duplicates, sums.packets + sums.duplicates)),
                        "mirror one direction of each port only, when all ports of a VLAN are mirrored"});
  const double complete = 1 - share(sums.unseen, sums.acknowledged);
  if (sums.acknowledged >= kEnoughBytes && complete < kComplete)
    findings.push_back(
        {topic, Severity::kNote,
         fmt::format("{:.2f} % of the acknowledged bytes were seen; results take that into account", 100 * complete),
         "a mirror that is fed more than its line holds loses packets: mirror fewer ports"});
}

/// A finding for each mirror session that came in.
void add_mirrors(const LiveCapture& live, std::size_t at, Findings& findings) {
  for (const decode::MirrorSession& session : live.status(at).mirrors) {
    Finding finding{points_of_session(live, at, session), Severity::kGood,
                    fmt::format("{}: {}", session_text(session), account_text(session)), ""};
    if (session.lost().value_or(0) > 0) {
      finding.severity = Severity::kNote;
      finding.fix =
          "the switch or the way here is fed more than it holds: mirror fewer ports, or give the mirror a faster way";
    }
    if (session.refused_packets > 0) {
      finding.severity = Severity::kNote;
      finding.fix = "listen at fewer sessions: an interface is split into a limited number of points";
    }
    findings.push_back(std::move(finding));
  }
}

}  // namespace

base::Outcome<Findings> listen_findings(const std::vector<LiveInput>& inputs, double seconds,
                                        const std::function<bool()>& wanted) {
  using Clock = std::chrono::steady_clock;
  auto live = LiveCapture::open(inputs, {});
  if (!live) return tl::unexpected(live.error());
  (*live)->start();
  Sums sums(inputs.size());
  const Clock::time_point began = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
  while (passed() < seconds && wanted()) {
    (*live)->gather(sums);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const double listened_s = passed();
  (*live)->stop();
  while (!(*live)->has_ended()) {
    (*live)->gather(sums);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  (*live)->gather(sums);
  Findings findings;
  for (std::size_t at = 0; at < inputs.size(); ++at) {
    const std::string& topic = inputs[at].point.name;
    findings.push_back(traffic(topic, (*live)->status(at), sums.at(at), listened_s));
    add_quality(topic, (*live)->status(at), sums.at(at), findings);
    add_mirrors(**live, at, findings);
  }
  return findings;
}

}  // namespace hoptap::appliance
