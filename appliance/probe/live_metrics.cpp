#include "appliance/probe/live_metrics.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appliance/probe/live_view.h"

namespace hoptap::appliance {
namespace {

using exporting::FamilyType;

/// What came of the packets of each mirror session. What is not known is not there.
void write_mirror_metrics(const LiveCapture& live, const std::vector<LiveStatus>& all, exporting::MetricsWriter& out) {
  const auto family = [&](std::string_view name, std::string_view help, auto&& value_of) {
    out.family(name, FamilyType::kCounter, "", help);
    for (std::size_t at = 0; at < all.size(); ++at) {
      for (const decode::MirrorSession& session : all[at].mirrors) {
        const std::optional<std::uint64_t> value = value_of(session);
        if (!value) continue;
        out.sample("_total",
                   exporting::label_text({{"point", points_of_session(live, at, session)},
                                          {"session", mirror_text(session.kind, session.id)},
                                          {"from", session.from.text()},
                                          {"engine", std::to_string(session.hardware_id)}}),
                   *value);
      }
    }
  };
  using Session = decode::MirrorSession;
  using Count = std::optional<std::uint64_t>;
  family("hoptap_mirror_packets", "Packets of a mirror session.",
         [](const Session& one) { return Count(one.packets); });
  family("hoptap_mirror_lost_packets", "Of a session, lost between switch and here, by gaps in its numbers.",
         [](const Session& one) { return one.lost(); });
  const auto if_numbered = [](const Session& one, std::uint64_t count) {
    return one.numbers.packets > 0 ? Count(count) : std::nullopt;
  };
  family("hoptap_mirror_late_packets", "Of a session, out of order.",
         [&](const Session& one) { return if_numbered(one, one.numbers.late); });
  family("hoptap_mirror_repeated_packets", "Of a session, with a number that came before.",
         [&](const Session& one) { return if_numbered(one, one.numbers.repeated); });
  family("hoptap_mirror_restarts", "Times that a session began to count anew.",
         [&](const Session& one) { return if_numbered(one, one.numbers.restarts); });
  family("hoptap_mirror_cut_packets", "Of a session, cut by the switch.",
         [](const Session& one) { return Count(one.truncated); });
  out.family("hoptap_mirror_unsplit_packets", FamilyType::kCounter, "",
             "Mirrored packets of more points than an interface may be split into.");
  for (std::size_t at = 0; at < all.size(); ++at) {
    std::uint64_t unsplit = all[at].unlisted_mirror_packets;
    for (const Session& session : all[at].mirrors) unsplit += session.refused_packets;
    if (!all[at].mirrors.empty())
      out.sample("_total", exporting::label_text({{"point", live.input(at).point.name}}), unsplit);
  }
}

/// What came of the stamps of switches, where they are asked for.
void write_switch_stamps(const LiveCapture& live, const std::vector<LiveStatus>& all, exporting::MetricsWriter& out) {
  out.family("hoptap_probe_switch_stamps", FamilyType::kCounter, "",
             "Packets by the stamp of a switch that they have.");
  for (std::size_t at = 0; at < all.size(); ++at) {
    if (live.input(at).feed.stamps == decode::StampSource::kPacket) continue;
    const decode::StampCounts& stamps = all[at].stamps;
    using Row = std::pair<std::string_view, std::uint64_t>;
    for (const auto& [fate, count] : {Row{"taken", stamps.taken}, Row{"absent", stamps.absent},
                                      Row{"implausible", stamps.implausible}, Row{"no_keyframe", stamps.unanchored}})
      out.sample("_total", exporting::label_text({{"point", live.input(at).point.name}, {"fate", fate}}), count);
  }
  out.family("hoptap_probe_switch_keyframes", FamilyType::kCounter, "",
             "Keyframes of a switch whose stamps are a counter, by what became of them.");
  for (std::size_t at = 0; at < all.size(); ++at) {
    if (live.input(at).feed.stamps != decode::StampSource::kArista7150) continue;
    const std::string& point = live.input(at).point.name;
    out.sample("_total", exporting::label_text({{"point", point}, {"fate", "taken"}}), all[at].stamps.keyframes);
    out.sample("_total", exporting::label_text({{"point", point}, {"fate", "refused"}}),
               all[at].stamps.refused_keyframes);
  }
}

/// Which entries of `mirrors` were ever of use.
void write_matched(const LiveCapture& live, const std::vector<LiveStatus>& all, exporting::MetricsWriter& out) {
  out.family("hoptap_mirror_matched", FamilyType::kGauge, "", "0: no packet was of this entry of `mirrors`, so far.");
  for (std::size_t at = 0; at < all.size(); ++at) {
    const std::vector<MirrorHint>& mirrors = live.input(at).feed.mirrors;
    for (std::size_t n = 0; n < mirrors.size(); ++n) {
      const std::vector<bool>& matched = all[at].matched_mirrors;
      out.sample("",
                 exporting::label_text({{"point", live.input(at).point.name},
                                        {"entry", std::to_string(n + 1)},
                                        {"mirror", rule_text(mirrors[n].rule)}}),
                 std::uint64_t{n < matched.size() && matched[n]});
    }
  }
}

/// The interfaces as they stand, by the names of their points.
struct Looked {
  const LiveCapture& live;
  const std::vector<LiveStatus> all = live.look();

  template <class Write>
  void each(Write&& write) const {
    for (std::size_t at = 0; at < all.size(); ++at) write(live.input(at).point.name, all[at]);
  }
};

void write_packets(const Looked& looked, exporting::MetricsWriter& out) {
  out.family("hoptap_probe_received_packets", FamilyType::kCounter, "", "Packets that the kernel had for the probe.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    if (const auto& received = status.capture.received_by_kernel)
      out.sample("_total", exporting::label_text({{"point", point}}), *received);
  });
  out.family("hoptap_probe_packets", FamilyType::kCounter, "", "Packets by what became of them.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    const auto sample = [&](std::string_view fate, std::uint64_t value) {
      out.sample("_total", exporting::label_text({{"point", point}, {"fate", fate}}), value);
    };
    sample("processed", status.capture.packets);
    sample("filtered", status.capture.filtered);
    sample("unreadable", status.capture.unreadable);
    if (status.capture.dropped_by_ring) sample("dropped_by_ring", *status.capture.dropped_by_ring);
    if (status.capture.dropped_by_interface) sample("dropped_by_interface", *status.capture.dropped_by_interface);
  });
  out.family("hoptap_probe_captured_bytes", FamilyType::kCounter, "bytes", "Bytes of the processed packets.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("_total", exporting::label_text({{"point", point}}), status.capture.bytes);
  });
}

void write_workers(const Looked& looked, exporting::MetricsWriter& out) {
  out.family("hoptap_probe_cpu_seconds", FamilyType::kCounter, "seconds", "CPU time of the threads that listen.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("_total", exporting::label_text({{"point", point}}), exporting::seconds_text(status.cpu_ns));
  });
  out.family("hoptap_probe_left_out_legs", FamilyType::kCounter, "",
             "Connections of one packet, more than are sent in a second.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("_total", exporting::label_text({{"point", point}}), status.legs_left_out);
  });
  out.family("hoptap_probe_untaken_records", FamilyType::kCounter, "", "Records dropped between two threads.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("_total", exporting::label_text({{"point", point}}), status.records_dropped);
  });
  out.family("hoptap_probe_flows", FamilyType::kGauge, "", "Connections that are kept.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("", exporting::label_text({{"point", point}}), status.flows);
  });
  out.family("hoptap_probe_strain", FamilyType::kGauge, "",
             "What is left out to stay below the CPU ceiling: 0 nothing, 1 texts, 2 messages of new connections, 3 new "
             "connections.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("", exporting::label_text({{"point", point}}), static_cast<std::uint64_t>(status.strain));
  });
  out.family("hoptap_probe_slept_seconds", FamilyType::kCounter, "seconds", "Slept to stay below the CPU ceiling.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("_total", exporting::label_text({{"point", point}}), exporting::seconds_text(status.slept_ns));
  });
  out.family("hoptap_probe_engine_events", FamilyType::kCounter, "", "What the flow table counts (docs/engine.md).");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    for (const flowtable::FlowCounter& counter : flowtable::kFlowCounters)
      out.sample("_total", exporting::label_text({{"point", point}, {"event", counter.name}}),
                 status.engine.*counter.field);
  });
  out.family("hoptap_probe_offload", FamilyType::kGauge, "",
             "1: the interface hands over segments that were not on the wire so (ethtool -k).");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    for (const capture::OffloadName& one : capture::kOffloads)
      if (const auto& on = status.offloads.*one.field)
        out.sample("", exporting::label_text({{"point", point}, {"offload", one.name}}), std::uint64_t{*on});
  });
  out.family("hoptap_probe_up", FamilyType::kGauge, "", "1: the interface is there and up.");
  looked.each([&](const std::string& point, const LiveStatus& status) {
    out.sample("", exporting::label_text({{"point", point}}),
               std::uint64_t{status.state == capture::LinkState::kRunning});
  });
}

}  // namespace

void write_live_metrics(const LiveCapture& live, exporting::MetricsWriter& out) {
  const Looked looked{live};
  write_packets(looked, out);
  write_workers(looked, out);
  write_mirror_metrics(live, looked.all, out);
  write_switch_stamps(live, looked.all, out);
  write_matched(live, looked.all, out);
}

}  // namespace hoptap::appliance
