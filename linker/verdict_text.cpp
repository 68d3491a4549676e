#include "linker/verdict_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace hoptap::linker {
namespace {

std::string percent(double share) {
  const double value = share * 100;
  if (value > 0 && value < 1) return "under 1 %";
  return fmt::format("{:.0f} %", value > 99 ? std::floor(value) : value);  // all of it, or not all
}

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string copies_of(std::uint64_t request, std::uint64_t response) {
  const std::string requests = count_of(request, "request copy", "request copies");
  const std::string responses = count_of(response, "response copy", "response copies");
  if (request > 0 && response > 0) return requests + " and " + responses;
  return request > 0 ? requests : responses;
}

/// "the server", or what else may hold its time.
std::string server_words(const std::string& point, bool at_server) {
  return at_server ? "the server" : "the server (or anything beyond " + point + ")";
}

/// "a -> b", or "between a and c (b did not see it)".
std::string segment_words(const std::string& from, const std::string& to, const std::vector<std::string>& inside,
                          std::string_view unseen) {
  if (inside.empty()) return fmt::format("{} -> {}", from, to);
  return fmt::format("a segment between {} and {} ({} did not see {})", from, to, fmt::join(inside, ", "), unseen);
}

std::vector<std::string> inside_of(const Trace& trace, const Judgement& judgement) {
  std::vector<std::string> inside;
  if (!judgement.blames[judgement.culprit].spans_missing) return inside;
  for (const Stop& stop : stops_between(trace, trace.parts[judgement.culprit])) inside.push_back(stop.point);
  return inside;
}

std::string trace_segment_text(const Trace& trace, const Judgement& judgement) {
  const Verdict& verdict = judgement.verdict;
  const Blame& blame = judgement.blames[judgement.culprit];
  const std::string lost =
      blame.copies_lost() > 0
          ? fmt::format(", {} lost there", copies_of(blame.request_copies_lost, blame.response_copies_lost))
          : "";
  const std::string paced =
      blame.paced_ns > 0 ? fmt::format(", +{} sending that waited for it", duration_text(blame.paced_ns)) : "";
  return fmt::format(
      "{} of this request's time waited on {}: +{} round trip (baseline {}){}{}.", percent(verdict.contribution),
      segment_words(verdict.from, verdict.to, inside_of(trace, judgement), "it"),
      duration_text(verdict.excess_ns - blame.paced_ns), duration_text(verdict.baseline_ns), paced, lost);
}

std::string trace_cannot_tell_text(const Trace& trace, const Judgement& judgement) {
  const Verdict& verdict = judgement.verdict;
  if (trace.parts.empty()) return "Cannot tell: no point saw this request and its response whole.";
  if (!verdict.at.empty()) {
    return fmt::format(
        "Cannot tell: {} of the time is spent at or beyond {}, and no point nearer the server was captured.",
        percent(verdict.contribution), verdict.at);
  }
  return fmt::format("Cannot tell: the time went between {} and {}, whose order is not known.", verdict.from,
                     verdict.to);
}

/// "The server (pod-b)", "a box between a and b".
std::string reset_by_words(const Trace& trace, const Verdict& verdict) {
  if (!verdict.from.empty()) return fmt::format("a box between {} and {}", verdict.from, verdict.to);
  return fmt::format("the {} (seen at {})", trace.reset.by == ResetBy::kClient ? "client" : "server", verdict.at);
}

std::string trace_dominant_text(const Trace& trace, const Verdict& verdict) {
  if (verdict.at.empty()) {
    return fmt::format("{} of the time is on {} -> {}: {} round trip; nothing shows that to be unusual.",
                       percent(verdict.contribution), verdict.from, verdict.to, duration_text(verdict.baseline_ns));
  }
  return fmt::format("{} of the time was spent in {}: {}; nothing shows that to be unusual.",
                     percent(verdict.contribution), server_words(verdict.at, trace.far_end == FarEnd::kServer),
                     duration_text(verdict.baseline_ns));
}

std::string trace_end_text(const Trace& trace, const Verdict& verdict) {
  const std::string added = duration_text(verdict.excess_ns);
  const std::string usual = duration_text(verdict.baseline_ns);
  const std::string server = server_words(verdict.at, trace.far_end == FarEnd::kServer);
  switch (verdict.kind) {
    case VerdictKind::kGatewaySlow:
      return fmt::format("The gateway between {} and {} took {} longer than usual ({}).", verdict.from, verdict.to,
                         added, usual);
    case VerdictKind::kServerSlow:
      return fmt::format("{} took {} longer than usual ({}) to answer.", server, added, usual);
    case VerdictKind::kServerKernel:
      return fmt::format("The kernel of {} took {} longer than usual ({}) to acknowledge the request.", server, added,
                         usual);
    case VerdictKind::kClientSlow:
      return fmt::format("The client at {} took {} longer than usual ({}) to send its request or read the response.",
                         verdict.at, added, usual);
    default: return fmt::format("Moving the bytes from {} took {} longer than usual ({}).", verdict.at, added, usual);
  }
}

std::string run_slow_text(const RunVerdict& verdict) {
  return fmt::format("{} of the {}' time", percent(verdict.contribution),
                     verdict.slow == 1 ? "1 slow request" : fmt::format("{} slow requests", verdict.slow));
}

std::string run_segment_text(const RunVerdict& verdict) {
  std::string text = fmt::format("{} waited on {}: +{} round trip (baseline {})", run_slow_text(verdict),
                                 segment_words(verdict.from, verdict.to, verdict.inside, "these requests"),
                                 duration_text(verdict.excess_ns), duration_text(verdict.baseline_ns));
  if (verdict.lost_here.total() > 0) {
    text +=
        fmt::format(", {} lost there, {} elsewhere", copies_of(verdict.lost_here.request, verdict.lost_here.response),
                    verdict.lost_elsewhere.total());
  }
  const bool as_usual = verdict.server_ns <= 2 * verdict.server_usual_ns + 1'000'000;
  text += fmt::format("; {} answered in {}{}.", server_words(verdict.server_point, verdict.server_known),
                      duration_text(verdict.server_ns),
                      as_usual ? " as usual" : fmt::format(" (usually {})", duration_text(verdict.server_usual_ns)));
  return text;
}

std::string run_end_text(const RunVerdict& verdict) {
  const std::string added =
      fmt::format("+{} (usually {})", duration_text(verdict.excess_ns), duration_text(verdict.baseline_ns));
  const std::string server = server_words(verdict.at, verdict.server_known);
  const std::string_view network = verdict.share_of_excess >= 0.9 ? "; the network took its usual time" : "";
  switch (verdict.kind) {
    case VerdictKind::kGatewaySlow:
      return fmt::format("{} was spent in the gateway between {} and {}: {}.", run_slow_text(verdict), verdict.from,
                         verdict.to, added);
    case VerdictKind::kServerSlow:
      return fmt::format("{} was spent in {}: {}{}.", run_slow_text(verdict), server, added, network);
    case VerdictKind::kServerKernel:
      return fmt::format("{} went by before the kernel of {} acknowledged the request: {}{}.", run_slow_text(verdict),
                         server, added, network);
    case VerdictKind::kClientSlow:
      return fmt::format("{} was spent by the client at {}, sending its requests or reading the responses: {}{}.",
                         run_slow_text(verdict), verdict.at, added, network);
    default:
      return fmt::format("{} was spent on moving the bytes from {}: {}; no segment's round trip was longer than usual.",
                         run_slow_text(verdict), verdict.at, added);
  }
}

/// Who waits for whom; one point alone does not show at which end.
std::string nagle_text(const Verdict& verdict) {
  if (verdict.from == verdict.to) {
    return fmt::format("Nagle's algorithm at one end waits for the delayed ACK of the other (seen at {})",
                       verdict.from);
  }
  return fmt::format("Nagle's algorithm at {} waits for the delayed ACK of {}", verdict.from, verdict.to);
}

std::string run_delayed_ack_text(const RunVerdict& verdict) {
  return fmt::format(
      "{} waited for a delayed ACK: {}, {} each time; not the network. TCP_NODELAY, or one write for each message, "
      "ends "
      "it.",
      run_slow_text(verdict), nagle_text(verdict), duration_text(verdict.excess_ns));
}

std::string run_dominant_text(const RunVerdict& verdict) {
  const std::string whole = fmt::format("{} of the time of all {}", percent(verdict.contribution),
                                        count_of(verdict.requests, "request", "requests"));
  if (verdict.at.empty()) {
    return fmt::format("{} is on {} -> {}: {} round trip; these captures hold no quicker period to compare with.",
                       whole, verdict.from, verdict.to, duration_text(verdict.baseline_ns));
  }
  return fmt::format("{} is in {}: {}; these captures hold no quicker period to compare with.", whole,
                     server_words(verdict.at, verdict.server_known), duration_text(verdict.baseline_ns));
}

std::string leading_text(const Place& place) {
  if (place.is_segment()) return "on " + place.from + " -> " + place.to;
  return (place.kind == VerdictKind::kTransfer ? "moving bytes from " : "at ") + place.from;
}

std::string run_none_text(const RunVerdict& verdict) {
  std::string text = fmt::format("No place stands out: {}, response time {} at the median, {} at the 95th percentile",
                                 count_of(verdict.requests, "request", "requests"),
                                 duration_text(verdict.response_p50_ns), duration_text(verdict.response_p95_ns));
  if (verdict.slow > 0) {
    text += fmt::format("; {} took clearly longer, too few or too scattered to blame one place",
                        count_of(verdict.slow, "request", "requests"));
    if (verdict.leading_ns > 0) {
      text += fmt::format(" (most of it {}, +{} at the median)", leading_text(verdict.leading),
                          duration_text(verdict.leading_ns));
    }
  }
  return text + ".";
}

std::string run_cannot_tell_text(const RunVerdict& verdict) {
  std::string text = "Cannot tell: " + verdict.because + ".";
  if (!verdict.from.empty() && verdict.excess_ns > 0) {
    text += fmt::format(" {} went between {} and {}, +{} each.", run_slow_text(verdict), verdict.from, verdict.to,
                        duration_text(verdict.excess_ns));
  } else if (!verdict.at.empty() && verdict.excess_ns > 0) {
    text += fmt::format(" {} was spent at or beyond {}, +{} each.", run_slow_text(verdict), verdict.at,
                        duration_text(verdict.excess_ns));
  } else if (!verdict.at.empty() || !verdict.from.empty()) {
    text += fmt::format(
        " {} of all the time is {}.", percent(verdict.contribution),
        verdict.at.empty() ? "between " + verdict.from + " and " + verdict.to : "at or beyond " + verdict.at);
  }
  return text;
}

std::string run_reset_text(const RunVerdict& verdict) {
  const std::string by = verdict.from.empty() ? "the host at " + verdict.at
                                              : fmt::format("a box between {} and {}", verdict.from, verdict.to);
  return fmt::format("{} of {} were reset instead of answered, {} of them by {}.", verdict.resets,
                     count_of(verdict.requests + verdict.unanswered, "request", "requests"), verdict.resets_here, by);
}

std::string run_main_text(const RunVerdict& verdict) {
  switch (verdict.kind) {
    case VerdictKind::kReset: return run_reset_text(verdict);
    case VerdictKind::kNone: return run_none_text(verdict);
    case VerdictKind::kCannotTell: return run_cannot_tell_text(verdict);
    case VerdictKind::kDominant: return run_dominant_text(verdict);
    case VerdictKind::kDelayedAck: return run_delayed_ack_text(verdict);
    case VerdictKind::kSlowSegment:
    case VerdictKind::kLoss: return run_segment_text(verdict);
    default: return run_end_text(verdict);
  }
}

/// Points keep their names as they are.
void capitalize(std::string& text) {
  if (text.rfind("the ", 0) == 0) text.front() = 'T';
}

}  // namespace

std::string duration_text(std::int64_t time_ns) {
  const double ms = static_cast<double>(time_ns) / 1e6;
  const double size = std::abs(ms);
  if (time_ns == 0) return "0 ms";
  if (size < 0.0995) return fmt::format("{:.3f} ms", ms);
  if (size < 9.995) return fmt::format("{:.2f} ms", ms);
  if (size < 999.5) return fmt::format("{:.1f} ms", ms);
  return fmt::format("{:.2f} s", ms / 1e3);
}

std::string trace_text(const Trace& trace, const Judgement& judgement) {
  const Verdict& verdict = judgement.verdict;
  std::string text;
  switch (verdict.kind) {
    case VerdictKind::kNone:
      text = judgement.excess_ns < 1'000'000
                 ? "Nothing took longer than usual."
                 : fmt::format("+{} over the usual time, in no single place.", duration_text(judgement.excess_ns));
      break;
    case VerdictKind::kSlowSegment:
    case VerdictKind::kLoss: text = trace_segment_text(trace, judgement); break;
    case VerdictKind::kReset:
      text = fmt::format("The connection was reset instead of an answer, by {}.", reset_by_words(trace, verdict));
      break;
    case VerdictKind::kDelayedAck:
      text = fmt::format("{}: {} of this request's time; not the network.", nagle_text(verdict),
                         duration_text(verdict.excess_ns));
      break;
    case VerdictKind::kDominant: text = trace_dominant_text(trace, verdict); break;
    case VerdictKind::kCannotTell: text = trace_cannot_tell_text(trace, judgement); break;
    default: text = trace_end_text(trace, verdict); break;
  }
  capitalize(text);
  return text;
}

std::string run_text(const RunVerdict& verdict) {
  std::string text = run_main_text(verdict);
  if (verdict.confidence > 0) {
    text += fmt::format(" Confidence {:.2f}.", verdict.confidence);
  }
  if (verdict.shared_by) {
    const SharedBy& shared = *verdict.shared_by;
    text += fmt::format(" {} of the slow ones share {} {}, as {} of all requests do.", percent(shared.of_slow),
                        shared.what, shared.value, percent(shared.of_all));
  }
  for (const RunVerdict::Missing& missing : verdict.missing) {
    if (missing.share < 0.01) continue;
    text += fmt::format(" Point {} is missing from {} of the requests.", missing.point, percent(missing.share));
  }
  const auto more = [](std::uint64_t count) { return count == 1 ? "1 more was" : fmt::format("{} more were", count); };
  if (verdict.resets > 0 && verdict.kind != VerdictKind::kReset) {
    text += fmt::format(" {} reset instead of answered.", more(verdict.resets));
  }
  if (verdict.unanswered > verdict.resets) {
    text += fmt::format(" {} without a request and its whole response at any one point.",
                        more(verdict.unanswered - verdict.resets));
  }
  return text;
}

}  // namespace hoptap::linker
