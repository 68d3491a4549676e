// Who stamped the packets of a point: what the times of its records rest on. Plain values, pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hoptap::exporting {

/// Packets of a point whose times were given in one way. A point has one for each; docs/formats/wire.md lists `by`, and
/// which of them are one clock.
struct PointStamp {
  static constexpr std::size_t kNameBytesMax = 32;
  static constexpr std::size_t kOfPointMax = 8;  ///< more are left out

  std::string by;             ///< "kernel", "nic", "erspan", ...
  std::uint32_t unit_ns = 0;  ///< its times are multiples of this, or so exact at best; 0: not known
  std::uint64_t packets = 0;  ///< 0: how many is not known

  bool operator==(const PointStamp&) const = default;
};

/// "erspan 100 ns 88 %, kernel 1 ns 12 %"; "-" for none.
std::string stamps_text(std::span<const PointStamp> stamps);

/// A line that read_stamps() reads: "erspan 100 42,kernel 1 7".
std::string stamps_line(std::span<const PointStamp> stamps);
/// What cannot be read is left out.
std::vector<PointStamp> read_stamps(std::string_view line);

}  // namespace hoptap::exporting
