// The link layers and tunnels that flows were seen behind, each kept once: nearly all flows share a few.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::flowtable {

/// Counts the users of each vantage and forgets those without. Owned by a flow table, used by its thread.
class Vantages {
 public:
  using Id = std::uint32_t;

  /// @param seed  of the hash that they are found by: see KeyConfig::seed
  explicit Vantages(std::uint64_t seed) : seed_(seed) {}

  /// The vantage of a packet that passed with this link and these tunnels; adds a user.
  Id take(const base::Link& link, const base::TunnelStack& tunnels);
  void give_back(Id id);

  const Vantage& operator[](Id id) const { return entries_[id].vantage; }

 private:
  struct Entry {
    Vantage vantage;
    std::uint64_t hash = 0;
    std::uint32_t users = 0;
  };

  std::uint64_t seed_;
  std::vector<Entry> entries_;
  std::vector<Id> free_;
  boost::unordered_flat_map<std::uint64_t, Id> ids_;  ///< by hash of the vantage
};

}  // namespace hoptap::flowtable
