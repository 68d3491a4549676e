// Finds packets that one feed shows twice: a mirror that copies on entry and on exit, two sessions on
// one port, or a router both of whose sides are mirrored.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hoptap::flowtable {

/// A direct-mapped table of the packets seen last. Fixed size; a collision forgets the older packet.
/// One per flow table, used by its thread.
class DuplicateFilter {
 public:
  enum class Verdict : std::uint8_t {
    kNew,        ///< not seen lately
    kDuplicate,  ///< the same packet on the same wire
    kElsewhere,  ///< the same packet on another wire: other TTL, MAC, VLAN or tunnel id
  };

  /// @param signature  hash of what stays equal along the path (addresses, sequence, IP-ID, payload), the upper bits
  /// best
  /// @param wire       hash of what routers and switches change; not 0
  Verdict check(std::uint64_t signature, std::uint32_t wire, std::uint64_t time_ns, std::uint64_t window_ns) {
    Slot& slot = slots_[signature >> (64 - kSlotBits)];
    if (slot.signature != signature || time_ns - slot.time_ns > window_ns) [[likely]] {
      slot.signature = signature;
      slot.time_ns = time_ns;
      slot.wires = {wire};
      return Verdict::kNew;
    }
    for (std::uint32_t& seen : slot.wires) {
      if (seen == wire) return Verdict::kDuplicate;
      if (seen != 0) continue;
      seen = wire;
      return Verdict::kElsewhere;
    }
    return Verdict::kElsewhere;
  }

  static constexpr std::size_t kWiresMax = 8;  ///< one feed that shows one packet on more is a loop

 private:
  static constexpr unsigned kSlotBits = 13;
  struct Slot {
    std::uint64_t signature = 0, time_ns = 0;
    std::array<std::uint32_t, kWiresMax> wires{};  ///< 0: free
  };
  std::vector<Slot> slots_ = std::vector<Slot>(std::size_t{1} << kSlotBits);
};

}  // namespace hoptap::flowtable
