// Segmentation offload: on one side of it segments are big, on the other no bigger than the wire takes. Private to the
// forge; one thread.
#pragma once

#include "appliance/forge/element.h"

namespace hoptap::forge {

/// The most payload that one joined or not yet cut segment has, in whole segments of `mss`.
constexpr std::uint32_t burst_bytes_of(std::uint32_t mss) { return 64000 / mss * mss; }

class Offload : public Element {
 public:
  Offload(std::uint32_t number, OffloadPlan plan) : Element(number), plan_(plan) {}
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;
  void wake(Connection& connection, ElementMemory& memory, Network& network) override;
  Side big_side() const { return plan_.big; }

 private:
  bool split(Packet& packet, Network& network) const;
  bool join(Packet& packet, ElementMemory& memory, Network& network) const;

  OffloadPlan plan_;
};

}  // namespace hoptap::forge
