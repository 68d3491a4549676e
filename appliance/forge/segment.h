// A stretch of wire: takes time, loses, doubles and overtakes packets; the faults that sit on it. Private to the forge;
// one thread. Borrows the scenario's faults.
#pragma once

#include <vector>

#include "appliance/forge/element.h"
#include "appliance/forge/exchange.h"

namespace hoptap::forge {

class Segment : public Element {
 public:
  Segment(std::uint32_t number, SegmentPlan plan) : Element(number), plan_(std::move(plan)) {}

  void add_fault(const FaultPlan& fault) { faults_.push_back(&fault); }
  bool pass(Packet& packet, ElementMemory& memory, Network& network) override;

 private:
  /// What faults do to one packet.
  struct Harm {
    bool lost = false;
    bool reset = false;  ///< a middlebox resets the connection behind it
    Time delay = 0;
  };

  bool owns(const FaultPlan* fault) const;
  Harm harm(const Packet& packet) const;
  bool loses_ack(const Packet& packet) const;

  SegmentPlan plan_;
  std::vector<const FaultPlan*> faults_;
};

}  // namespace hoptap::forge
