// The folder of a spool: made when missing, locked by one process, with some disk space put aside so that what is
// delivered can be deleted on a full disk. Private to transport.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hoptap::exporting {

class SpoolFolder {
 public:
  /// Makes the folder and its parents (0700) when missing and locks it. Fails in words, naming the process that has it.
  static base::Outcome<SpoolFolder> lock(const std::string& path);

  SpoolFolder(SpoolFolder&& other) noexcept;
  SpoolFolder& operator=(SpoolFolder&&) = delete;
  ~SpoolFolder();  ///< unlocks

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/spool.sqlite"; }

  /// Puts `bytes` of disk aside if that is possible now; cheap when it is done.
  void put_aside(std::uint64_t bytes);
  /// Gives them free; false when there are none.
  bool give_free();

 private:
  SpoolFolder() = default;
  std::string path_;
  int lock_ = -1;
  bool put_aside_ = false;
};

/// Names this start of the machine: a file written under another name may have lost its last writes to a power cut.
std::string boot_name();

/// From the kernel.
std::string random_bytes(std::size_t count);

}  // namespace hoptap::exporting
