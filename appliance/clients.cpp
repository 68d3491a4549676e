#include "appliance/clients.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "appliance/exit_code.h"
#include "appliance/http/client.h"
#include "appliance/http/query.h"
#include "appliance/terminal.h"

namespace hoptap::appliance {
namespace {

constexpr std::size_t kPageTraces = 200;
constexpr const char* kDefaultTracer = "http://127.0.0.1:8717";

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Builds "?name=value&name=value" of what is not empty.
class TargetBuilder {
 public:
  explicit TargetBuilder(std::string path) : target_(std::move(path)) {}
  TargetBuilder& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    target_ += fmt::format("{}{}={}", target_.find('?') == std::string::npos ? '?' : '&', name, percent_encoded(value));
    return *this;
  }
  const std::string& text() const { return target_; }

 private:
  std::string target_;
};

/// How this terminal wants text to be drawn.
void add_style(const ClientOptions& options, TargetBuilder& target) {
  if (options.json) {
    target.add("format", "ndjson");
    return;
  }
  const exporting::TextStyle style = terminal_style(options.colour, options.ascii);
  target.add("columns", std::to_string(std::min<std::size_t>(style.columns, 1000)));
  if (style.colour) target.add("colour", "1");
  if (!style.unicode) target.add("ascii", "1");
  target.add("format", "text");
}

/// What a tracer that refused said, as one line.
std::string refusal(const HttpReply& reply) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(reply.body, error);
  const boost::json::object* object = error || !value.is_object() ? nullptr
                                      : value.get_object().if_contains("error") == nullptr
                                          ? nullptr
                                          : value.get_object().at("error").if_object();
  const auto field = [&](const char* name) -> std::string {
    const boost::json::value* found = object == nullptr ? nullptr : object->if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
  };
  const std::string parameter = field("parameter"), message = field("message");
  if (message.empty()) {
    return fmt::format("the tracer answers with HTTP status {}; is it a tracer of hoptap that --tracer names?",
                       reply.status);
  }
  return parameter.empty() ? message : fmt::format("{}: {}", parameter, message);
}

int code_of(unsigned status) {
  if (status == 404) return kNothingFound;
  return status < 500 ? kWrongUsage : kCannotReach;
}

/// Asks for one thing after the other and prints what comes.
class Conversation {
 public:
  explicit Conversation(const ClientOptions& options) {
    std::string url = options.tracer.empty() ? std::string(variable("HOPTAP_TRACER")) : options.tracer;
    if (url.empty()) url = kDefaultTracer;
    auto read = read_url(url);
    if (!read) {
      code_ = fail(kWrongUsage, read.error().what);
      return;
    }
    client_.emplace(std::move(*read), options.ca);
  }

  /// @return false: it went wrong, and code() says how
  bool print(const TargetBuilder& target) {
    if (!client_) return false;
    auto reply = client_->get(target.text(), "*/*");
    if (!reply) {
      code_ = fail(kCannotReach, reply.error().what);
      return false;
    }
    if (reply->status != 200) {
      code_ = fail(code_of(reply->status), refusal(*reply));
      return false;
    }
    next_ = reply->next;
    empty_ = empty_ && reply->body.empty();
    std::fwrite(reply->body.data(), 1, reply->body.size(), stdout);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
    code_ = fail(kCannotWrite, "standard output cannot be written");
    return false;
  }

  const std::string& next() const { return next_; }
  bool empty() const { return empty_; }
  int code() const { return code_; }

 private:
  std::optional<HttpClient> client_;
  std::string next_;
  bool empty_ = true;
  int code_ = kDone;
};

void add_client_options(CLI::App& command, ClientOptions& options) {
  command.add_option("--tracer", options.tracer,
                     fmt::format("where the tracer is; by default $HOPTAP_TRACER, else {}", kDefaultTracer));
  command.add_option("--ca", options.ca, "trust this PEM file of certificates too");
  command.add_flag("--json", options.json, "one JSON object a line");
  command.add_flag("--ascii", options.ascii, "draw without Unicode characters");
  command.add_option("--color,--colour", options.colour, "colours: auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
}

void add_time_options(CLI::App& command, std::string& from, std::string& to) {
  command.add_option("--from", from, "this and later: -15m, 2026-01-31T14:02:00Z");
  command.add_option("--to", to, "before");
}

TargetBuilder traces_target(const TracesOptions& options, std::size_t limit, const std::string& cursor) {
  TargetBuilder target("/api/v1/traces");
  target.add("from", options.from).add("to", options.to).add("point", options.point).add("path", options.path);
  target.add("protocol", options.protocol).add("endpoint", options.endpoint).add("resource", options.resource);
  target.add("status", options.status).add("min_duration", options.min_duration);
  target.add("slow_segment", options.slow_segment).add("verdict", options.verdict);
  target.add("limit", std::to_string(limit)).add("cursor", cursor);
  add_style(options.client, target);
  return target;
}

}  // namespace

CLI::App* add_traces(CLI::App& app, TracesOptions& options) {
  CLI::App* command = app.add_subcommand(
      "traces",
      "ask the tracer for requests: the newest as a table, or one with its path\n"
      "\n"
      "  hoptap traces                                       the newest 100\n"
      "  hoptap traces 8d03c34bb5d3a7f1                      one, drawn from client to server\n"
      "  hoptap traces --from -15m --min-duration 250ms      slow ones of the last quarter of an hour\n"
      "  hoptap traces --slow-segment tor-a..node-7 --json   for programs, one JSON object a line\n");
  command->add_option("ID", options.id, "of one trace: 16 hexadecimal digits");
  add_time_options(*command, options.from, options.to);
  command->add_option("--point", options.point, "seen at this point");
  command->add_option("--path", options.path, "over these points, in order: a,b,c");
  command->add_option("--protocol", options.protocol, "http, dns, tls, opaque");
  command->add_option("--endpoint", options.endpoint, "HTTP host, TLS server name");
  command->add_option("--resource", options.resource, "that begin with this: /api/");
  command->add_option("--status", options.status, "500, or 5xx for all of them");
  command->add_option("--min-duration", options.min_duration, "took this long or longer: 250ms");
  command->add_option("--slow-segment", options.slow_segment, "the verdict names this segment: tor-a..node-7");
  command->add_option("--verdict", options.verdict, "slow_segment, loss, server_slow, reset, none, ...");
  command->add_option("--limit", options.limit, "at most so many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  add_client_options(*command, options.client);
  return command;
}

CLI::App* add_verdicts(CLI::App& app, VerdictsOptions& options) {
  CLI::App* command = app.add_subcommand(
      "verdicts", "ask the tracer where time goes: its verdict on the recent time, then on each window, newest first");
  add_time_options(*command, options.from, options.to);
  command->add_option("--limit", options.limit, "at most so many windows")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_client_options(*command, options.client);
  return command;
}

CLI::App* add_points(CLI::App& app, PointsOptions& options) {
  CLI::App* command = app.add_subcommand(
      "points", "ask the tracer for its observation points: what each has seen and missed, how far it lags, its clock");
  add_client_options(*command, options.client);
  return command;
}

CLI::App* add_metrics(CLI::App& app, MetricsOptions& options) {
  CLI::App* command = app.add_subcommand(
      "metrics",
      "ask the tracer for counters: requests, errors, latency, bytes and retransmissions, by point, server, protocol\n"
      "\n"
      "  hoptap metrics --from -15m                          of each service at each point\n"
      "  hoptap metrics --by client --server 10.0.0.1        who uses a server\n"
      "  hoptap metrics --by point --step 1m --json          for programs, a minute each\n");
  add_time_options(*command, options.from, options.to);
  command->add_option("--point", options.point, "at this point");
  command->add_option("--client", options.address, "of this client: an IP address");
  command->add_option("--server", options.server, "of this server: an IP address");
  command->add_option("--port", options.port, "of the server");
  command->add_option("--protocol", options.protocol, "http, dns, tls, opaque");
  command->add_option("--by", options.by, "what tells rows apart, some of point,client,server,protocol")
      ->capture_default_str();
  command->add_option("--step", options.step, "rows of this length: 1m, 1h; all (the default) adds up all time");
  command->add_option("--limit", options.limit, "at most so many rows")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  add_client_options(*command, options.client);
  return command;
}

int run_traces(const TracesOptions& options) {
  Conversation tracer(options.client);
  if (!options.id.empty()) {
    TargetBuilder target("/api/v1/traces/" + percent_encoded(options.id));
    add_style(options.client, target);
    tracer.print(target);
    return tracer.code();
  }
  std::string cursor;
  for (std::size_t left = options.limit; left > 0;) {
    const std::size_t page = std::min(left, kPageTraces);
    if (!tracer.print(traces_target(options, page, cursor))) return tracer.code();
    left -= page;
    cursor = tracer.next();
    if (cursor.empty()) break;
  }
  if (tracer.empty()) return fail(kNothingFound, "the tracer has no such trace; ask for less, or for more time");
  return kDone;
}

int run_verdicts(const VerdictsOptions& options) {
  Conversation tracer(options.client);
  TargetBuilder target("/api/v1/verdicts");
  target.add("from", options.from).add("to", options.to).add("limit", std::to_string(options.limit));
  add_style(options.client, target);
  if (!tracer.print(target)) return tracer.code();
  if (tracer.empty()) return fail(kNothingFound, "the tracer has no verdict yet; it needs requests");
  return kDone;
}

int run_metrics(const MetricsOptions& options) {
  Conversation tracer(options.client);
  TargetBuilder target("/api/v1/metrics");
  target.add("from", options.from).add("to", options.to).add("point", options.point).add("client", options.address);
  target.add("server", options.server).add("port", options.port).add("protocol", options.protocol);
  target.add("by", options.by).add("step", options.step.empty() ? "all" : options.step);
  target.add("limit", std::to_string(options.limit));
  add_style(options.client, target);
  if (!tracer.print(target)) return tracer.code();
  return kDone;
}

int run_points(const PointsOptions& options) {
  Conversation tracer(options.client);
  TargetBuilder target("/api/v1/points");
  add_style(options.client, target);
  if (!tracer.print(target)) return tracer.code();
  return kDone;
}

}  // namespace hoptap::appliance
