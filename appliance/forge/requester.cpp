#include "appliance/forge/requester.h"

#include "appliance/forge/http.h"

namespace hoptap::forge {

void Requester::send_request(Connection& connection, Exchange& exchange, std::string_view more_header_lines) {
  connection.quiet = false;
  const bool split = exchange.has_fault(FaultKind::kZeroWindow) && exchange.fault->by == Culprit::kServer;
  const std::string lines = exchange.header_lines + std::string(more_header_lines);
  MessageText text = make_request({.id = exchange.id,
                                   .header_lines = lines,
                                   .bytes = exchange.request_bytes,
                                   .response_bytes = exchange.response_bytes,
                                   .has_body = split});
  for (const std::uint32_t point : connection.route().points) exchange.at(point);
  exchange.connections.push_back(&connection);
  connection.outstanding.push_back(&exchange);
  const std::size_t head_bytes = text.head.size();
  const Message& message = connection.stream(Toward::kServer).append(std::move(text.head), text.bytes, exchange, true);
  const std::uint64_t head_end = message.from + head_bytes;
  plan_faults(connection, exchange, head_end);
  connection.client->write(connection.body_after > 0 ? head_end : message.end);
}

void Requester::plan_faults(Connection& connection, Exchange& exchange, std::uint64_t head_end) {
  if (exchange.has_fault(FaultKind::kLoseAck)) connection.ack_loss = &exchange;
  if (!exchange.has_fault(FaultKind::kZeroWindow) || connection.body_after > 0) return;
  const bool by_client = exchange.fault->by == Culprit::kClient;
  if (by_client ? span_ != 0 : !world_.is_last(span_)) return;
  exchange.fault_done = true;
  exchange.fault_point = by_client ? world_.first_point(connection) : world_.last_point(connection);
  if (by_client) {
    connection.client->close_window(exchange.fault->closed_for);
  } else {  // it takes the head and then no more; the body is written when that is known
    connection.server->close_window(exchange.fault->closed_for);
    connection.body_after = head_end;
  }
}

void Requester::on_acknowledged(Connection& connection, std::uint64_t upto) {
  if (connection.body_after == 0 || upto < connection.body_after) return;
  connection.body_after = 0;
  connection.client->write(connection.stream(Toward::kServer).end());
}

void Requester::on_received(Connection& connection, std::uint64_t upto) {
  while (!connection.outstanding.empty()) {
    const Message* message = connection.stream(Toward::kClient).find(connection.client_read);
    if (message == nullptr || message->end > upto) return;
    connection.client_read = message->end;
    Exchange& exchange = *connection.outstanding.front();
    connection.outstanding.pop_front();
    on_response(connection, exchange);
  }
  look_if_idle(connection);
}

/// Acknowledgments that a fault must lose would ride on the next request: it waits until they have been lost.
void Requester::look_if_idle(Connection& connection) {
  if (!connection.outstanding.empty() || !connection.client->alive() || connection.client->closing()) return;
  if (Exchange* exchange = connection.ack_loss; exchange != nullptr) {
    constexpr Time kLook = 10 * kMillisecond;
    const Time now = world_.queue.now();
    if (connection.ack_loss_since == 0) connection.ack_loss_since = now;
    const Time patience = exchange->fault_done ? 5 * kSecond : world_.scenario.traffic.delayed_ack + kLook;
    if (!exchange->resent_after_ack_loss && now - connection.ack_loss_since < patience) {
      world_.queue.at(now + kLook, *this, connection.number());
      return;
    }
    connection.ack_loss = nullptr;
    connection.ack_loss_since = 0;
  }
  on_idle(connection);
}

void Requester::happen(std::uint64_t connection_number) {
  if (Connection* connection = world_.connections[connection_number].get()) look_if_idle(*connection);
}

}  // namespace hoptap::forge
