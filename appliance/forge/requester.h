// The part of a program that sends requests over a connection and takes the responses: of the client, and of
// gateways towards the server. Private to the forge; one thread. Borrows connections and exchanges.
#pragma once

#include "appliance/forge/world.h"

namespace hoptap::forge {

class Requester : public Program, public Handler {
 public:
  Requester(World& world, std::size_t span) : world_(world), span_(span) {}

  void on_received(Connection& connection, std::uint64_t upto) override;
  void on_acknowledged(Connection& connection, std::uint64_t upto) override;

 protected:
  /// Sends a request; the connection is established.
  void send_request(Connection& connection, Exchange& exchange, std::string_view more_header_lines);
  /// The whole response is here. The connection may still be busy.
  virtual void on_response(Connection& connection, Exchange& exchange) = 0;
  /// All requests have their responses, and nothing else keeps the connection from being used again.
  virtual void on_idle(Connection& connection) = 0;

  World& world() { return world_; }
  std::size_t span() const { return span_; }
  /// Number of the event that looks whether a connection is idle; others have the highest bit set.
  static constexpr std::uint64_t kOwnEvent = std::uint64_t{1} << 63;
  void happen(std::uint64_t connection_number) override;

 private:
  void plan_faults(Connection& connection, Exchange& exchange, std::uint64_t head_end);
  void look_if_idle(Connection& connection);

  World& world_;
  std::size_t span_;
};

}  // namespace hoptap::forge
