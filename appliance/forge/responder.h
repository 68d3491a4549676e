// The part of a program that takes requests, one after the other on each connection: of the server, and of gateways
// towards the client. Private to the forge; one thread. Borrows connections and exchanges.
#pragma once

#include "appliance/forge/world.h"

namespace hoptap::forge {

class Responder : public Program, public Handler {
 public:
  explicit Responder(World& world) : world_(world) {}

  void on_received(Connection& connection, std::uint64_t upto) override;
  void on_peer_closed(Connection& connection) override { connection.server->close(); }
  void on_reset(Connection& connection) override { connection.serving = nullptr; }

 protected:
  /// A whole request is here. It ends with respond(), or never.
  virtual void handle(Connection& connection, Exchange& exchange) = 0;
  /// Sends the response to the request that the connection serves, and takes the next request.
  void respond(Connection& connection, int status, std::uint64_t bytes);
  /// The time that handling takes is over: happens later to `connection`.
  virtual void on_time(Connection& connection) = 0;
  void plan_time(Connection& connection, Time after);
  World& world() { return world_; }

 private:
  void happen(std::uint64_t connection_number) override;
  void serve_next(Connection& connection, std::uint64_t upto);

  World& world_;
};

/// The server's process.
class Server : public Responder {
 public:
  using Responder::Responder;

 private:
  void handle(Connection& connection, Exchange& exchange) override;
  void on_time(Connection& connection) override;
};

}  // namespace hoptap::forge
