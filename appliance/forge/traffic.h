// The clients: requests at random times over a number of connections, each used again and again. Private to the forge;
// one thread. Owns exchanges.
#pragma once

#include "appliance/forge/requester.h"
#include "appliance/forge/truth_writer.h"

namespace hoptap::forge {

class Traffic : public Requester {
 public:
  Traffic(World& world, Program& server, TruthWriter& truth);

  void start();
  std::uint32_t finished() const { return finished_; }

  void on_established(Connection& connection) override;
  void on_reset(Connection& connection) override;

 private:
  enum Event : std::uint64_t { kArrival, kTimeout, kClientReset, kRetire };
  struct Slot {
    Connection* connection = nullptr;
    std::vector<Exchange*> waiting;  ///< for the connection to be there
  };

  void happen(std::uint64_t what) override;
  void plan(Event event, std::uint32_t number, Time after);
  void arrive();
  void dispatch();
  Exchange* find(std::uint32_t number) const;
  Exchange& make_exchange(std::uint32_t number);
  void send_waiting(std::uint32_t slot);
  void use(std::uint32_t slot);
  void on_response(Connection& connection, Exchange& exchange) override;
  void on_idle(Connection& connection) override;
  void finish(Exchange& exchange);
  void reset_by_client(Exchange& exchange);
  void time_out(Exchange& exchange);
  void retire(Exchange& exchange);
  void close_all();

  const TrafficPlan& plan_;
  Program& server_;
  TruthWriter& truth_;
  Random arrivals_;
  Random choices_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> idle_slots_;
  std::vector<Ports> ports_;  ///< of each client
  std::deque<std::vector<Exchange*>> backlog_;
  std::deque<std::unique_ptr<Exchange>> exchanges_;  ///< by number, from first_; empty: over and written down
  std::uint32_t first_ = 0;                          ///< all before it are
  std::uint32_t arrived_ = 0;
  std::uint32_t finished_ = 0;
};

}  // namespace hoptap::forge
