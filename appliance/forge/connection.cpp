#include "appliance/forge/connection.h"

namespace hoptap::forge {

void Connection::forget(const Exchange& exchange) {
  for (Stream& stream : streams_) stream.forget(exchange);
  client->forget(exchange);
  server->forget(exchange);
  std::erase(outstanding, &exchange);
  if (serving == &exchange) serving = nullptr;
  if (ack_loss == &exchange) ack_loss = nullptr;
}

/// An exchange that knows the connection has a message in the stream to the server.
bool Connection::is_over() const {
  return packets == 0 && streams_[0].empty() && streams_[1].empty() && upstream == nullptr && downstream == nullptr &&
         client->is_over() && server->is_over();
}

}  // namespace hoptap::forge
