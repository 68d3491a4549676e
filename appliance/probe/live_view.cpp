#include "appliance/probe/live_view.h"

#include <fmt/format.h>

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
  std::uint64_t dropped = 0, flows = 0;
  bool all_known = true;
  for (std::size_t at = 0; at < live.size(); ++at) {
    const LiveStatus& status = live.status(at);
    now.packets += status.capture.packets;
    now.bytes += status.capture.bytes;
    now.exchanges += status.exchanges;
    dropped += drops(status);
    flows += status.flows;
    all_known = all_known && status.capture.dropped_by_ring.has_value();
  }
  const auto rate = [&](std::uint64_t value, std::uint64_t earlier) {
    return static_cast<double>(value - earlier) / seconds;
  };
  std::string line = fmt::format(
      "{} point{}: {:.0f} packets/s, {}, {} dropped{}; {:.0f} exchanges/s, {} connections", live.size(),
      live.size() == 1 ? "" : "s", rate(now.packets, before_.packets), bits_text(8 * rate(now.bytes, before_.bytes)),
      dropped, all_known ? "" : " (not all sources can tell)", rate(now.exchanges, before_.exchanges), flows);
  before_ = now;
  return line;
}

std::vector<std::string> LiveView::news(const LiveCapture& live) {
  said_.resize(live.size());
  dropped_.resize(live.size());
  strain_.resize(live.size());
  std::vector<std::string> news;
  for (std::size_t at = 0; at < live.size(); ++at) {
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
      news.push_back(fmt::format("{}: {} drops packets, {} so far; more workers or a larger ring may help", point,
                                 giver_of(live.input(at)), drops(status)));
    dropped_[at] = drops(status);
  }
  return news;
}

std::string points_text(const LiveCapture& live) {
  std::string text = fmt::format("{} point{}:", live.size(), live.size() == 1 ? "" : "s");
  for (std::size_t at = 0; at < live.size(); ++at) {
    const LiveInput& input = live.input(at);
    text += fmt::format("{} {} ({}{}{}{})", at == 0 ? "" : ",", input.point.name, input.capture.network_namespace,
                        input.capture.network_namespace.empty() ? "" : " ",
                        input.way == CaptureWay::kDpdk ? "dpdk:" : "", input.capture.interface);
  }
  return text;
}

std::string_view giver_of(const LiveInput& input) {
  return input.way == CaptureWay::kDpdk ? "the driver" : "the kernel";
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
