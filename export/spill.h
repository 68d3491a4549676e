// Keeps groups of hop records for several passes without growing memory: the first of them in memory, the rest in an
// unnamed temporary file in $TMPDIR (else /tmp). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "linker/group.h"

namespace hoptap::exporting {

class GroupStore {
 public:
  static constexpr std::size_t kMemoryBytesMax = 32u << 20;
  static constexpr std::size_t kChunkBytes = 256u << 10;  ///< groups are written and checked in pieces of this size

  explicit GroupStore(std::size_t memory_bytes_max = kMemoryBytesMax) : memory_bytes_max_(memory_bytes_max) {}
  ~GroupStore();
  GroupStore(const GroupStore&) = delete;
  GroupStore& operator=(const GroupStore&) = delete;

  /// Fails when the temporary file cannot be made or written (disk full); the group is then not kept.
  [[nodiscard]] base::Outcome<void> append(const linker::Group& group);

  /// Gives every group, in the order of append(); may be called again. Fails when the temporary file cannot be read or
  /// does not hold what was written to it.
  [[nodiscard]] base::Outcome<void> for_each(const std::function<void(linker::Group&&)>& take);

  std::uint64_t groups() const { return groups_; }
  std::uint64_t file_bytes() const { return file_bytes_; }  ///< 0: all is in memory

 private:
  struct Chunk {
    std::uint32_t groups = 0;
    std::vector<std::uint8_t> bytes;
  };

  base::Outcome<void> seal();
  base::Outcome<void> open_file();
  base::Outcome<void> write(const Chunk& chunk);
  base::Outcome<void> read(std::uint64_t& offset, Chunk& chunk) const;

  std::size_t memory_bytes_max_;
  std::size_t memory_bytes_ = 0;
  std::vector<Chunk> in_memory_;  ///< empty once a file is open
  Chunk current_;
  int file_ = -1;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t groups_ = 0;
};

}  // namespace hoptap::exporting
