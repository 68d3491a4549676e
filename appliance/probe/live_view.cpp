#include "appliance/probe/live_view.h"

#include <fmt/format.h>

#include "appliance/probe/interface_pattern.h"

namespace hoptap::appliance {
namespace {

std::uint64_t drops(const LiveStatus& status) {
  return status.capture.dropped_by_ring.value_or(0) + status.capture.dropped_by_interface.value_or(0);
}

std::string_view strain_text(flowtable::Strain strain) {
  using flowtable::Strain;
  switch (strain) {
    case Strain::kNone: return "below its CPU ceiling; nothing is left out";
    case Strain::kNoTexts: return "at its CPU ceiling (cpu_percent): requests without resources and identifiers";
    case Strain::kNoNewMessages: return "at its CPU ceiling (cpu_percent): new connections without their requests";
    case Strain::kNoNewFlows: return "at its CPU ceiling (cpu_percent): new connections are not looked at";
  }
  return "";
}

std::string bits_text(double bits) {
  for (const char* unit : {"bit/s", "kbit/s", "Mbit/s"}) {
    if (bits < 1000) return fmt::format("{:.0f} {}", bits, unit);
    bits /= 1000;
  }
  return fmt::format("{:.1f} Gbit/s", bits);
}

}  // namespace

std::string LiveView::line(const LiveCapture& live) {
  const double seconds = std::chrono::duration<double>(Clock::now() - at_).count();
  if (seconds < 1) return "";
  at_ = Clock::now();
  Sums now;
  std::uint64_t dropped = 0, flows = 0, lost_by_mirrors = 0;
  bool all_known = true;
  for (std::size_t at = 0; at < live.inputs(); ++at) {
    const LiveStatus& status = live.status(at);
    now.packets += status.capture.packets;
    now.bytes += status.capture.bytes;
    now.exchanges += status.exchanges;
    dropped += drops(status);
    flows += status.flows;
    for (const decode::MirrorSession& session : status.mirrors) lost_by_mirrors += session.lost().value_or(0);
    all_known = all_known && status.capture.dropped_by_ring.has_value();
  }
  const auto rate = [&](std::uint64_t value, std::uint64_t earlier) {
    return static_cast<double>(value - earlier) / seconds;
  };
  std::string line = fmt::format(
      "{} point{}: {:.0f} packets/s, {}, {} dropped{}; {:.0f} exchanges/s, {} connections", live.inputs(),
      live.inputs() == 1 ? "" : "s", rate(now.packets, before_.packets), bits_text(8 * rate(now.bytes, before_.bytes)),
      dropped, all_known ? "" : " (not all sources can tell)", rate(now.exchanges, before_.exchanges), flows);
  if (lost_by_mirrors > 0) line += fmt::format(", {} lost by mirrors", lost_by_mirrors);
  before_ = now;
  return line;
}

std::vector<std::string> LiveView::news(const LiveCapture& live) {
  said_.resize(live.inputs());
  dropped_.resize(live.inputs());
  mirrors_.resize(live.inputs());
  strain_.resize(live.inputs());
  std::vector<std::string> news;
  for (; told_ < live.troubles().size(); ++told_) news.push_back(live.troubles()[told_]);
  for (; listed_ < live.inputs(); ++listed_)
    if (is_begun_) news.push_back(fmt::format("{}: is there, and listened at", live.input(listed_).point.name));
  is_begun_ = true;
  for (std::size_t at = 0; at < live.inputs(); ++at) {
    const LiveStatus& status = live.status(at);
    const std::string& point = live.input(at).point.name;
    if (said_[at] != status.trouble) {
      news.push_back(status.trouble.empty() ? fmt::format("{}: packets are read again", point)
                                            : fmt::format("{}: {}", point, status.trouble));
      said_[at] = status.trouble;
    }
    if (strain_[at] != status.strain) {
      news.push_back(fmt::format("{}: {}", point, strain_text(status.strain)));
      strain_[at] = status.strain;
    }
    if (dropped_[at] == 0 && drops(status) > 0)
      news.push_back(fmt::format("{}: {} drops packets, {} so far; {} may help", point, giver_of(live.input(at)),
                                 drops(status), remedy_of(live.input(at))));
    dropped_[at] = drops(status);
    tell_mirrors(live, at, news);
  }
  return news;
}

void LiveView::tell_mirrors(const LiveCapture& live, std::size_t at, std::vector<std::string>& news) {
  for (const auto& [number, point] : live.mirrors(at)) {
    if (mirrors_[at].emplace(number, false).second)
      news.push_back(fmt::format("{}: mirrored packets of a point, {}", live.input(at).point.name, point.name));
    const MirrorSums sums = sums_of_mirror(live.status(at).mirrors, number);
    bool& told = mirrors_[at][number];
    if (told || sums.lost.value_or(0) == 0) continue;
    told = true;
    news.push_back(
        fmt::format("{}: mirrored packets are lost between the switch and here, {} so far", point.name, *sums.lost));
  }
}

std::string points_of_session(const LiveCapture& live, std::size_t input, const decode::MirrorSession& session) {
  const std::map<std::uint16_t, PointHint> points = live.mirrors(input);
  std::string names;
  for (const decode::MirrorShare& share : session.shares) {
    const std::string& name = points.at(share.point).name;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names.empty() ? live.input(input).point.name : names;
}

std::vector<std::string> mirror_accounts(const LiveCapture& live, std::size_t input) {
  std::vector<std::string> lines;
  for (const decode::MirrorSession& session : live.status(input).mirrors)
    lines.push_back(fmt::format("{}: {}: {}", points_of_session(live, input, session), session_text(session),
                                account_text(session)));
  const LiveStatus& status = live.status(input);
  for (const std::string& text :
       unmatched_mirrors(live.input(input).feed.mirrors, status.matched_mirrors, status.mirrors))
    lines.push_back(fmt::format("{}: {}", live.input(input).point.name, text));
  if (const std::string missing = missing_stamps_text(live.status(input).stamps); !missing.empty())
    lines.push_back(fmt::format("{}: {}", live.input(input).point.name, missing));
  if (const std::uint64_t unlisted = live.status(input).unlisted_mirror_packets; unlisted > 0)
    lines.push_back(fmt::format("{}: {} mirrored packets of more sessions than are told apart",
                                live.input(input).point.name, unlisted));
  return lines;
}

std::string points_text(const LiveCapture& live) {
  std::string text =
      fmt::format("{} point{}{}", live.inputs(), live.inputs() == 1 ? "" : "s", live.inputs() > 0 ? ":" : "");
  for (std::size_t at = 0; at < live.inputs(); ++at) {
    const LiveInput& input = live.input(at);
    text += fmt::format("{} {} ({}{}{}{})", at == 0 ? "" : ",", input.point.name, input.capture.network_namespace,
                        input.capture.network_namespace.empty() ? "" : " ",
                        input.way == CaptureWay::kDpdk ? "dpdk:" : "", input.capture.interface);
  }
  for (const LiveInput& pattern : live.patterns()) text += fmt::format(", and what matches {}", place_text(pattern));
  return text;
}

std::string_view giver_of(const LiveInput& input) {
  return input.way == CaptureWay::kDpdk ? "the driver" : "the kernel";
}

std::string_view remedy_of(const LiveInput& input) {
  switch (input.way) {
    case CaptureWay::kRing: return "more workers or a larger ring (ring_mib)";
    case CaptureWay::kLibpcap: return "a larger ring (ring_mib), or capture: ring with more workers,";
    case CaptureWay::kEbpf: return "a larger ring (ring_mib) or fewer head_bytes";
    case CaptureWay::kDpdk: return "more workers";
  }
  return "";
}

std::string account_text(const std::string& point, const LiveStatus& status, std::string_view giver) {
  const capture::LiveCounters& counters = status.capture;
  std::string text = fmt::format("{}: {} packets processed", point, counters.packets);
  const auto add = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add(counters.filtered, "filtered");
  add(counters.unreadable, "unreadable");
  add(counters.truncated, "of them cut short");
  add(counters.dropped_by_interface.value_or(0), "dropped by the interface");
  add(status.records_dropped, "records dropped for want of room");
  add(status.legs_left_out, "connections of one packet not sent");
  if (!counters.dropped_by_ring || !counters.received_by_kernel)
    return fmt::format("{}; what {} dropped is not known", text, giver);
  text += fmt::format(", {} dropped for want of room in the ring", *counters.dropped_by_ring);
  const std::uint64_t known = counters.packets + counters.filtered + counters.unreadable + *counters.dropped_by_ring;
  const std::uint64_t received = *counters.received_by_kernel;
  text += fmt::format("; {} counted {}", giver, received);
  // libpcap, which knows neither, leaves packets out that it counts (live_source.h).
  if (received > known && (counters.ring_freezes || counters.stamps))
    text += fmt::format(": {} UNACCOUNTED", received - known);
  return text;
}

}  // namespace hoptap::appliance
