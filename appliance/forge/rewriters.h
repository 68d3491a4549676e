// Middleboxes that change sequence numbers: a load balancer like LVS FULLNAT, a firewall that makes initial sequence
// numbers random, a SYN proxy. Private to the forge; one thread.
#pragma once

#include "appliance/forge/translators.h"

namespace hoptap::forge {

/// Adds to the sequence numbers of each direction what `memory.shift` says, and takes it off acknowledgments.
void shift_sequence(Packet& packet, const ElementMemory& memory);

/// Rewrites addresses, ports and the client's sequence numbers; strips timestamps from the handshake, so that none
/// are used.
class FullNat : public Element {
 public:
  FullNat(std::uint32_t number, const RewritePlan& plan)
      : Element(number), service_(plan.service), pool_(plan.address) {}
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }
  Address service() const override { return service_; }

 private:
  Address service_;
  PortPool pool_;
};

/// Makes both initial sequence numbers random.
class Firewall : public Element {
 public:
  using Element::Element;
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }
};

/// Answers the client's SYN itself and connects to the server when the client has proven to be there; from then on
/// shifts the server's sequence numbers and timestamps.
class SynProxy : public Element {
 public:
  using Element::Element;
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  bool ends_link() const override { return true; }

 private:
  enum Stage : int { kIdle, kAnswered, kAsked, kOpen };

  bool from_client(Packet& packet, ElementMemory& memory, Network& network) const;
  bool from_server(Packet& packet, ElementMemory& memory, Network& network) const;
};

}  // namespace hoptap::forge
