#include "appliance/forge/responder.h"

#include "appliance/forge/http.h"

namespace hoptap::forge {

void Responder::on_received(Connection& connection, std::uint64_t upto) { serve_next(connection, upto); }

void Responder::serve_next(Connection& connection, std::uint64_t upto) {
  if (connection.serving != nullptr) return;
  const Message* message = connection.stream(Toward::kServer).find(connection.server_read);
  if (message == nullptr || message->end > upto || message->exchange == nullptr) return;
  connection.server_read = message->end;
  connection.serving = message->exchange;
  handle(connection, *message->exchange);
}

void Responder::plan_time(Connection& connection, Time after) {
  world_.queue.at(world_.queue.now() + after, *this, connection.number());
}

void Responder::happen(std::uint64_t connection_number) {
  Connection* connection = world_.connections[connection_number].get();
  if (connection != nullptr && connection->serving != nullptr && connection->server->alive()) on_time(*connection);
}

void Responder::respond(Connection& connection, int status, std::uint64_t bytes) {
  Exchange& exchange = *connection.serving;
  connection.serving = nullptr;
  MessageText text = make_response(status, exchange.id, bytes);
  if (!exchange.over) exchange.status = status;
  Stream& stream = connection.stream(Toward::kClient);
  stream.append(std::move(text.head), text.bytes, exchange, false);
  connection.server->write(stream.end());
  serve_next(connection, connection.server->receiver().next());
}

void Server::handle(Connection& connection, Exchange& exchange) {
  exchange.server = connection.server_address;
  if (exchange.resets(Culprit::kClient)) return;  // it will be too late
  Time takes = exchange.service;
  if (exchange.has_fault(FaultKind::kServerSlow)) {
    takes += exchange.fault->add;
    exchange.fault_done = true;
    exchange.fault_point = world().last_point(connection);
  }
  exchange.served = takes;
  plan_time(connection, takes);
}

void Server::on_time(Connection& connection) {
  Exchange& exchange = *connection.serving;
  if (!exchange.resets(Culprit::kServer)) return respond(connection, 200, exchange.response_bytes);
  exchange.fault_done = true;
  exchange.fault_point = exchange.reset_from = world().last_point(connection);
  exchange.reset_by = Culprit::kServer;
  connection.serving = nullptr;
  connection.server->abort();
}

}  // namespace hoptap::forge
