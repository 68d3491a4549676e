// Elements that change headers and nothing else: routers, address translation, tunnels. Private to the forge; one
// thread.
#pragma once

#include "appliance/forge/element.h"

namespace hoptap::forge {

class Router : public Element {
 public:
  using Element::Element;
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }
};

/// Where packets from the client go behind a translation: to the next one's service, or to the host.
/// `packet` is at an element of its connection's route.
Address target_behind(const Packet& packet);

/// Gives connections addresses that the server sees: one address, ports in turn.
class PortPool {
 public:
  explicit PortPool(std::uint32_t address) : address_(address) {}
  Address take();

 private:
  std::uint32_t address_;
  std::uint16_t next_port_ = 20000;
};

/// Clients talk to a service address; behind it stands the server.
class Dnat : public Element {
 public:
  Dnat(std::uint32_t number, DnatPlan plan) : Element(number), plan_(plan) {}
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }
  Address service() const override { return plan_.service; }

 private:
  DnatPlan plan_;
};

/// Behind it all comes from one address.
class Snat : public Element {
 public:
  Snat(std::uint32_t number, SnatPlan plan) : Element(number), pool_(plan.address) {}
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }

 private:
  PortPool pool_;
};

/// One end of a tunnel: puts a layer around packets in one direction and takes it off in the other.
class TunnelEnd : public Element {
 public:
  /// `client_end`: the end nearer the client. Both ends of a tunnel get the same `tunnel_number`.
  TunnelEnd(std::uint32_t number, TunnelPlan plan, std::uint32_t tunnel_number, bool client_end);
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return plan_.kind != TunnelKind::kVxlan; }
  int tunnel_step() const override { return client_end_ ? 1 : -1; }

 private:
  TunnelPlan plan_;
  std::uint32_t client_address_;
  std::uint32_t server_address_;
  bool client_end_;
  std::uint16_t ip_id_ = 1;
};

}  // namespace hoptap::forge
