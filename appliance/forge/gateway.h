// An L7 gateway: takes requests on connections of its own and asks on over others, which it keeps and shares. Private
// to the forge; one thread. The world owns all connections.
#pragma once

#include "appliance/forge/requester.h"
#include "appliance/forge/responder.h"

namespace hoptap::forge {

class Gateway {
 public:
  /// `number` counts gateways from the client; `next` is the program at the far end of its connections.
  Gateway(World& world, std::size_t number, const GatewayPlan& plan, Program& next)
      : back_(world, number, next, front_), front_(world, number, plan, back_) {}

  Program& front() { return front_; }
  void close_idle() { back_.close_idle(); }

 private:
  class Front;

  class Back : public Requester {
   public:
    Back(World& world, std::size_t number, Program& next, Front& front)
        : Requester(world, number + 1), next_(next), front_(front), ports_(kPorts) {}

    /// Asks on for the request that `downstream` serves.
    void ask(Connection& downstream);
    /// The one that asked is gone.
    void abandon(Connection& downstream);
    void close_idle();

    void on_established(Connection& connection) override;
    void on_reset(Connection& connection) override;

   private:
    static constexpr std::uint32_t kPorts = 20000;

    void send(Connection& connection);
    void on_response(Connection& connection, Exchange& exchange) override;
    void on_idle(Connection& connection) override;

    Program& next_;
    Front& front_;
    Ports ports_;
    std::vector<Connection*> idle_;
  };

  class Front : public Responder {
   public:
    Front(World& world, std::size_t number, const GatewayPlan& plan, Back& back)
        : Responder(world), plan_(plan), back_(back), random_(world.seed, "gateway", number) {}

    void answer(Connection& connection, int status);
    void on_reset(Connection& connection) override;

   private:
    void handle(Connection& connection, Exchange& exchange) override;
    void on_time(Connection& connection) override;

    const GatewayPlan& plan_;
    Back& back_;
    Random random_;
  };

  Back back_;
  Front front_;
};

}  // namespace hoptap::forge
