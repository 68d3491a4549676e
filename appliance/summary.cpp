#include "appliance/summary.h"

#include <fmt/format.h>

#include <set>

namespace hoptap::appliance {
namespace {

using Counters = std::vector<std::pair<std::string, std::uint64_t>>;

/// Sums of one counter over all feeds.
template <class Read>
std::uint64_t sum(const Replay& replay, Read read) {
  std::uint64_t total = 0;
  for (const auto& feed : replay.feeds()) total += read(*feed);
  return total;
}

void add_capture_counters(const Replay& replay, Counters& counters) {
  const auto add = [&](const char* name, auto field) {
    counters.emplace_back(name, sum(replay, [&](const Feed& feed) { return feed.source().counters().*field; }));
  };
  add("packets", &capture::SourceCounters::packets);
  add("packet_bytes", &capture::SourceCounters::bytes);
  add("cut_records", &capture::SourceCounters::cut_records);
  add("bad_records", &capture::SourceCounters::bad_records);
  add("unknown_blocks", &capture::SourceCounters::unknown_blocks);
  add("dropped_by_capture", &capture::SourceCounters::dropped_by_capture);
  counters.emplace_back("filtered_packets", sum(replay, [](const Feed& feed) { return feed.filtered_packets(); }));
  const auto add_mirror = [&](const char* name, auto read) {
    counters.emplace_back(name, sum(replay, [&](const Feed& feed) {
                            std::uint64_t all = 0;
                            for (const decode::MirrorSession& session : feed.mirror_sessions()) all += read(session);
                            return all;
                          }));
  };
  using Session = decode::MirrorSession;
  add_mirror("mirrored_packets", [](const Session& session) { return session.packets; });
  bool all_known = true;
  add_mirror("mirrored_packets_lost", [&all_known](const Session& session) {
    all_known = all_known && session.lost().has_value();
    return session.lost().value_or(0);
  });
  if (!all_known) counters.pop_back();
  for (std::size_t i = 0; i < decode::kOutcomeCount; ++i)
    counters.emplace_back("decoded_" + std::string(decode::outcome_name(static_cast<decode::Outcome>(i))),
                          sum(replay, [i](const Feed& feed) { return feed.decoder().counters()[i]; }));
}

void add_flow_counters(const Replay& replay, Counters& counters) {
  for (const flowtable::FlowCounter& counter : flowtable::kFlowCounters)
    counters.emplace_back(counter.name,
                          sum(replay, [&](const Feed& feed) { return feed.flow_counters().*counter.field; }));
}

void add_join_counters(const linker::JoinCounters& join, const Analysis& analysis, Counters& counters) {
  counters.emplace_back("records", join.records);
  counters.emplace_back("traces", join.groups);
  counters.emplace_back("traces_joined", join.joined);
  counters.emplace_back("records_without_key", join.keyless);
  counters.emplace_back("join_conflicts", join.resolved.conflicts);
  counters.emplace_back("joins_closed_early", join.closed_early);
  counters.emplace_back("joins_oversized", join.oversized);
  counters.emplace_back("late_records", join.late);
  counters.emplace_back("ids_refused", join.resolved.ids_refused);
  for (auto& refused : analysis.refused()) counters.push_back(std::move(refused));
  counters.emplace_back("spilled_bytes", analysis.spilled_bytes());
}

}  // namespace

void add_reason_for_nothing(const Feed& feed, std::vector<std::string>& notes) {
  constexpr std::uint32_t kShortBytes = 192;
  const std::uint64_t packets = feed.source().counters().packets;
  if (packets == 0) {
    notes.push_back(fmt::format("{}: no packets", feed.path()));
  } else if (feed.filtered_packets() == packets) {
    notes.push_back(
        fmt::format("{}: the filter kept none of {} packets; it sees outer headers, so tunnelled traffic needs "
                    "its own term, such as 'or udp port 4789'",
                    feed.path(), packets));
  } else {
    notes.push_back(fmt::format("{}: no request in {} packets", feed.path(), packets));
  }
  for (const capture::Interface& interface : feed.source().interfaces())
    if (interface.snap_bytes > 0 && interface.snap_bytes < kShortBytes)
      notes.push_back(fmt::format(
          "{}: packets are cut to {} bytes; the headers of TCP have to be kept, those of tunnels around it too: "
          "capture with -s 192",
          feed.path(), interface.snap_bytes));
}

namespace {

/// A capture that misses packets makes answers less sure.
void add_poor_capture(const exporting::PointSummary& point, std::vector<std::string>& notes) {
  constexpr double kGood = 0.995;
  const double to_server = point.completeness_to_server.value_or(1),
               to_client = point.completeness_to_client.value_or(1);
  if (to_server >= kGood && to_client >= kGood) return;
  notes.push_back(
      fmt::format("{}: the capture misses {:.1f} % of the bytes to servers and {:.1f} % of those to clients "
                  "(acknowledged, but not in it)",
                  point.name, 100 * (1 - to_server), 100 * (1 - to_client)));
}

/// What mirrored feeds say of themselves: losses between switch and capture, sessions that nobody could tell apart.
void add_mirrors(const Feed& feed, std::vector<std::string>& notes) {
  for (const std::string& text : unmatched_mirrors(feed.mirror_hints(), feed.matched_mirrors(), feed.mirror_sessions()))
    notes.push_back(fmt::format("{}: {}", feed.path(), text));
  if (const std::string missing = missing_stamps_text(feed.stamps().counts()); !missing.empty())
    notes.push_back(fmt::format("{}: {}", feed.path(), missing));
  std::uint64_t unsplit = feed.unlisted_mirror_packets();
  for (const decode::MirrorSession& session : feed.mirror_sessions()) {
    unsplit += session.refused_packets;
    if (session.lost().value_or(0) > 0 || session.numbers.restarts > 0)
      notes.push_back(fmt::format("{}: {}: {}", feed.path(), session_text(session), account_text(session)));
  }
  if (unsplit > 0)
    notes.push_back(
        fmt::format("{}: {} mirrored packets belong to more points than there may be; they count as seen "
                    "by the capture itself",
                    feed.path(), unsplit));
}

std::vector<std::string> notes_on(const Replay& replay, const linker::JoinCounters& join,
                                  const linker::PathModel& paths) {
  std::vector<std::string> notes;
  for (const auto& feed : replay.feeds()) {
    if (const std::string complaint = feed->complaint(); !complaint.empty())
      notes.push_back(fmt::format("{}: {}", feed->path(), complaint));
    if (const std::uint64_t dropped = feed->source().counters().dropped_by_capture; dropped > 0)
      notes.push_back(fmt::format("{}: the capturing program lost {} packets", feed->path(), dropped));
    add_mirrors(*feed, notes);
    const auto& flows = feed->flow_counters();
    if (flows.legs_evicted > 0)
      notes.push_back(
          fmt::format("{}: {} connections were let go to stay within memory", feed->path(), flows.legs_evicted));
    if (flows.exchanges == 0) add_reason_for_nothing(*feed, notes);
  }
  std::set<std::string> files;
  for (const auto& feed : replay.feeds())
    if (!files.insert(feed->path()).second)
      notes.push_back(fmt::format("{}: given more than once; it counts as more than one point", feed->path()));
  if (join.late > 0)
    notes.push_back(
        fmt::format("{} hops came when their request had been closed; raise --pending-max to join them", join.late));
  if (replay.feeds().size() > 1 && join.groups > 0 && join.joined == 0)
    notes.push_back("no request was seen in more than one capture: do they show the same traffic, at the same time?");
  if (const std::uint64_t refused = paths.counters().hops_refused; refused > 0)
    notes.push_back(fmt::format("{} sightings beyond {} points of one request were left out", refused,
                                linker::VoteMatrix::kNodesMax));
  for (const linker::RouteSummary& route : paths.routes())
    if (route.hint_disagrees)
      notes.push_back(fmt::format("the order given with --point contradicts the packets on the path {}",
                                  fmt::join(route.points, " - ")));
  return notes;
}

}  // namespace

exporting::Summary summarize(const Replay& replay, const linker::JoinCounters& join, const Analysis& analysis,
                             const linker::PointTable& points) {
  exporting::Summary summary;
  summary.version = HOPTAP_VERSION;
  const linker::Completeness& captures = analysis.model().completeness();
  for (const linker::Point& point : points.all())
    summary.points.push_back({point.name, point.role, captures.share(point.id, linker::Way::kToServer),
                              captures.share(point.id, linker::Way::kToClient),
                              stamps_of(*replay.feeds()[point.id / Feed::kPointsPerFeed], point.id)});
  summary.paths = analysis.model().paths().routes();
  add_capture_counters(replay, summary.counters);
  add_flow_counters(replay, summary.counters);
  add_join_counters(join, analysis, summary.counters);
  summary.notes = notes_on(replay, join, analysis.model().paths());
  for (const exporting::PointSummary& point : summary.points) add_poor_capture(point, summary.notes);
  return summary;
}

}  // namespace hoptap::appliance
