#include "appliance/forge/gateway.h"

#include <algorithm>
#include <utility>

namespace hoptap::forge {

void Gateway::Front::handle(Connection& connection, Exchange&) {
  plan_time(connection, static_cast<Time>(plan_.service_us.sample(random_) * kMicrosecond));
}

void Gateway::Front::on_time(Connection& connection) {
  if (connection.upstream == nullptr) back_.ask(connection);
}

void Gateway::Front::answer(Connection& connection, int status) {
  constexpr std::uint64_t kErrorBytes = 160;
  if (connection.serving == nullptr || !connection.server->alive()) return;
  const std::uint64_t bytes = status == 200 ? connection.serving->response_bytes : kErrorBytes;
  respond(connection, status, bytes);
}

void Gateway::Front::on_reset(Connection& connection) {
  Responder::on_reset(connection);
  back_.abandon(connection);
}

void Gateway::Back::ask(Connection& downstream) {
  Connection* upstream = nullptr;
  if (idle_.empty()) {
    constexpr std::uint32_t kDevice = 0xfe00;
    Address address = gateway_address(span() - 1);
    address.port = ports_.take(world().queue.now());
    upstream = &world().open(span(), address, kDevice + static_cast<std::uint32_t>(span()), *this, next_);
  } else {
    upstream = idle_.back();
    idle_.pop_back();
  }
  upstream->downstream = &downstream;
  downstream.upstream = upstream;
  if (upstream->client->established()) {
    send(*upstream);
  } else {
    upstream->client->connect();
  }
}

void Gateway::Back::send(Connection& connection) {
  send_request(connection, *connection.downstream->serving, "Via: 1.1 gateway\r\n");
}

void Gateway::Back::on_established(Connection& connection) {
  if (connection.downstream != nullptr) {
    send(connection);
  } else {
    idle_.push_back(&connection);
  }
}

void Gateway::Back::on_response(Connection& connection, Exchange&) {
  if (Connection* downstream = std::exchange(connection.downstream, nullptr)) {
    downstream->upstream = nullptr;
    front_.answer(*downstream, 200);
  }
}

void Gateway::Back::on_idle(Connection& connection) { idle_.push_back(&connection); }

void Gateway::Back::on_reset(Connection& connection) {
  std::erase(idle_, &connection);
  ports_.give_back(connection.client_address.port, world().queue.now());
  if (Connection* downstream = std::exchange(connection.downstream, nullptr)) {
    downstream->upstream = nullptr;
    front_.answer(*downstream, 502);
  }
}

void Gateway::Back::abandon(Connection& downstream) {
  Connection* upstream = std::exchange(downstream.upstream, nullptr);
  if (upstream == nullptr) return;
  upstream->downstream = nullptr;
  upstream->client->abort();
  ports_.give_back(upstream->client_address.port, world().queue.now());
}

void Gateway::Back::close_idle() {
  for (Connection* connection : std::exchange(idle_, {})) connection->client->close();
}

}  // namespace hoptap::forge
