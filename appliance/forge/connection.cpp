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

}  // namespace hoptap::forge
