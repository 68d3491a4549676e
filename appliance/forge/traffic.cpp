#include "appliance/forge/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "appliance/forge/http.h"

namespace hoptap::forge {
namespace {

constexpr Time kPatience = 120 * kSecond;    ///< then a client gives a request up
constexpr Time kRetireAfter = 10 * kSecond;  ///< nothing of a request is on its way any more
constexpr int kEventBits = 2;
constexpr std::uint64_t kEventMask = 3;

Address client_address(std::uint32_t client, std::uint16_t port) {
  constexpr std::uint32_t kPerNet = 250;
  return {0x0a010000U + (client / kPerNet << 8) + client % kPerNet + 1, port};  // 10.1.n.m
}

std::uint64_t whole_bytes(double value) { return static_cast<std::uint64_t>(std::min(value, 4e9)); }

}  // namespace

Traffic::Traffic(World& world, Program& server, TruthWriter& truth)
    : Requester(world, 0),
      plan_(world.scenario.traffic),
      server_(server),
      truth_(truth),
      arrivals_(world.seed, "arrivals"),
      choices_(world.seed, "choice of connection"),
      slots_(plan_.connections) {
  for (std::uint32_t slot = 0; slot < plan_.connections; ++slot) idle_slots_.push_back(slot);
  constexpr std::uint32_t kPortsPerConnection = 4;
  const std::uint32_t per_client = plan_.connections / plan_.clients + 1;
  ports_.assign(plan_.clients, Ports(std::min(28000U, kPortsPerConnection * per_client + 8)));
}

void Traffic::start() { plan(kArrival, 0, kMillisecond); }

void Traffic::plan(Event event, std::uint32_t number, Time after) {
  const std::uint64_t what = kOwnEvent | std::uint64_t{number} << kEventBits | event;
  world().queue.at(world().queue.now() + after, *this, what);
}

void Traffic::happen(std::uint64_t what) {
  if ((what & kOwnEvent) == 0) return Requester::happen(what);
  const auto number = static_cast<std::uint32_t>((what & ~kOwnEvent) >> kEventBits);
  const auto event = static_cast<Event>(what & kEventMask);
  if (event == kArrival) return arrive();
  Exchange* exchange = find(number);
  if (exchange == nullptr) return;
  if (event == kTimeout) time_out(*exchange);
  if (event == kClientReset) reset_by_client(*exchange);
  if (event == kRetire) retire(*exchange);
}

/// One that is not written down yet, or nullptr.
Exchange* Traffic::find(std::uint32_t number) const {
  return number < first_ ? nullptr : exchanges_[number - first_].get();
}

// ---- requests come up ----

/// All that is random about a request comes from a stream of its own.
Exchange& Traffic::make_exchange(std::uint32_t number) {
  Random random(world().seed, "request", number);
  Exchange& made = *exchanges_.emplace_back(std::make_unique<Exchange>());
  made.number = number;
  made.id = fmt::format("{}-{:06}", world().scenario.name, number);
  made.request_bytes = whole_bytes(plan_.request_bytes.sample(random));
  made.response_bytes = whole_bytes(plan_.response_bytes.sample(random));
  made.service = static_cast<Time>(plan_.service_us.sample(random) * kMicrosecond);
  made.header_lines = make_header_ids(plan_.header_ids, random);
  Random faults(world().seed, "faults", number);
  double drawn = faults.unit();
  made.fault_at = faults.unit();
  for (const FaultPlan& fault : world().scenario.faults) {
    if (drawn < fault.share) {
      made.fault = &fault;
      break;
    }
    drawn -= fault.share;
  }
  return made;
}

void Traffic::arrive() {
  std::vector<Exchange*> batch;
  while (batch.size() < plan_.pipeline && arrived_ < plan_.requests) batch.push_back(&make_exchange(arrived_++));
  const double mean_seconds = static_cast<double>(batch.size()) / plan_.rate_per_s;
  backlog_.push_back(std::move(batch));
  if (arrived_ < plan_.requests)
    plan(kArrival, 0, static_cast<Time>(arrivals_.exponential() * mean_seconds * static_cast<double>(kSecond)));
  dispatch();
}

void Traffic::dispatch() {
  while (!backlog_.empty() && !idle_slots_.empty()) {
    const std::size_t picked = choices_.below(idle_slots_.size());
    const std::uint32_t slot = idle_slots_[picked];
    idle_slots_[picked] = idle_slots_.back();
    idle_slots_.pop_back();
    slots_[slot].waiting = std::move(backlog_.front());
    backlog_.pop_front();
    use(slot);
  }
}

void Traffic::use(std::uint32_t slot) {
  Connection*& connection = slots_[slot].connection;
  if (connection != nullptr) return send_waiting(slot);
  constexpr std::uint32_t kFirstDevice = 0x0100;
  const std::uint32_t client = slot % plan_.clients;
  const std::uint16_t port = ports_[client].take(world().queue.now());
  connection = &world().open(0, client_address(client, port), kFirstDevice + client, *this, server_);
  connection->slot = slot;
  connection->requests_left = plan_.requests_per_connection;
  connection->client->connect();
}

void Traffic::on_established(Connection& connection) { send_waiting(connection.slot); }

void Traffic::send_waiting(std::uint32_t slot) {
  Connection& connection = *slots_[slot].connection;
  for (Exchange* exchange : std::exchange(slots_[slot].waiting, {})) {
    exchange->client = connection.client_address;
    exchange->connection = connection.number();
    connection.requests_left -= std::min(connection.requests_left, 1U);
    plan(kTimeout, exchange->number, kPatience);
    if (exchange->resets(Culprit::kClient)) plan(kClientReset, exchange->number, exchange->service + kMillisecond);
    send_request(connection, *exchange, "");
  }
}

// ---- requests end ----

void Traffic::on_response(Connection&, Exchange& exchange) { finish(exchange); }

void Traffic::finish(Exchange& exchange) {
  exchange.over = true;
  exchange.end = world().queue.now();
  ++finished_;
  plan(kRetire, exchange.number, kRetireAfter);
  if (finished_ == plan_.requests) close_all();
}

void Traffic::on_idle(Connection& connection) {
  Slot& slot = slots_[connection.slot];
  if (slot.connection != &connection || !slot.waiting.empty()) return;
  if (connection.requests_left == 0 || finished_ == plan_.requests) {
    connection.client->close();
    ports_[connection.slot % plan_.clients].give_back(connection.client_address.port, world().queue.now());
    slot.connection = nullptr;
  }
  idle_slots_.push_back(connection.slot);
  dispatch();
}

/// What was under way has failed; what had not begun goes over the next connection.
void Traffic::on_reset(Connection& connection) {
  Slot& slot = slots_[connection.slot];
  if (slot.connection != &connection) return;
  const auto reset = std::find_if(connection.outstanding.begin(), connection.outstanding.end(),
                                  [](const Exchange* exchange) { return exchange->reset_by != Culprit::kNone; });
  const Exchange* cause = reset == connection.outstanding.end() ? nullptr : *reset;
  const bool was_busy = !connection.outstanding.empty() || !slot.waiting.empty();
  std::vector<Exchange*> again = std::move(slot.waiting);
  slot.waiting.clear();
  for (Exchange* exchange : std::exchange(connection.outstanding, {})) {
    if (!exchange->started) {
      again.push_back(exchange);
      continue;
    }
    exchange->status = 0;
    if (cause != nullptr && exchange->reset_by == Culprit::kNone) {
      exchange->reset_by = cause->reset_by;
      exchange->reset_from = cause->reset_from;
      exchange->reset_to = cause->reset_to;
    }
    finish(*exchange);
  }
  ports_[connection.slot % plan_.clients].give_back(connection.client_address.port, world().queue.now());
  slot.connection = nullptr;
  if (was_busy) idle_slots_.push_back(connection.slot);
  for (Exchange* exchange : again) {
    for (Connection* carrier : exchange->connections) carrier->forget(*exchange);
    exchange->connections.clear();
    exchange->points.clear();
  }
  if (!again.empty()) backlog_.push_front(std::move(again));
  dispatch();
}

void Traffic::reset_by_client(Exchange& exchange) {
  if (exchange.over || exchange.connections.empty() || !exchange.started) return;
  Connection& connection = *exchange.connections.front();
  if (!connection.client->alive()) return;
  exchange.fault_done = true;
  exchange.reset_by = Culprit::kClient;
  exchange.fault_point = exchange.reset_to = world().first_point(connection);
  connection.client->abort();
  on_reset(connection);
}

/// A client's patience: only for a connection whose other end is gone without a word.
void Traffic::time_out(Exchange& exchange) {
  if (exchange.over || exchange.connections.empty()) return;
  Connection& connection = *exchange.connections.front();
  if (slots_[connection.slot].connection != &connection) return;
  connection.client->abort();
  on_reset(connection);
}

void Traffic::retire(Exchange& exchange) {
  truth_.add(exchange);
  for (Connection* connection : exchange.connections) connection->forget(exchange);
  exchanges_[exchange.number - first_].reset();
  for (; !exchanges_.empty() && exchanges_.front() == nullptr; ++first_) exchanges_.pop_front();
}

void Traffic::close_all() {
  for (const std::uint32_t idle : idle_slots_) {
    Slot& slot = slots_[idle];
    if (Connection* connection = std::exchange(slot.connection, nullptr)) connection->client->close();
  }
}

}  // namespace hoptap::forge
