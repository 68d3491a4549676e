// What slow requests have in common that others have not: one client, one service, one server, one path. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "linker/trace.h"

namespace hoptap::linker {

/// A property that (nearly) all slow requests share.
struct SharedBy {
  std::string what;    ///< "client", "service" (the server as the client addresses it), "server" (as the last point
                       ///< sees it) or "path" (its points, client first)
  std::string value;   ///< an address, or points with "," between
  double of_slow = 0;  ///< share of the slow requests that have it, 0..1
  double of_all = 0;   ///< share of all requests
};

class FaultScope {
 public:
  static constexpr std::size_t kValuesMax = 4096;  ///< of each property; more are not counted

  void add(const Trace& trace, bool slow);

  /// The property that tells slow requests from the others best: at least nine of ten slow ones have it, and clearly
  /// fewer of the rest. Nothing when they are slow everywhere.
  std::optional<SharedBy> shared() const;

  std::uint64_t refused() const { return refused_; }  ///< values not counted: kValuesMax reached

 private:
  enum class Property : std::uint8_t { kClient, kService, kServer, kPath };
  static constexpr std::size_t kProperties = 4;
  struct Counts {
    std::uint64_t all = 0;
    std::uint64_t slow = 0;
  };

  void count(Property property, const std::string& value, bool slow);

  std::array<std::map<std::string, Counts>, kProperties> values_;
  Counts requests_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
