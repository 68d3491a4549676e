// Other network namespaces: doing something in one, and noticing that it was deleted. Private to capture/.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/result.h"

namespace hoptap::capture {

/// Runs `work` in the network namespace whose file is `path` ("": in that of the caller), on a thread of its own that
/// ends with it, so that the caller never leaves its namespace. What `work` opens stays in the namespace for good.
/// Fails, without running it, when there is no such namespace or CAP_SYS_ADMIN is missing.
[[nodiscard]] base::Outcome<void> in_network_namespace(const std::string& path, const std::function<void()>& work);

/// Knows a namespace file by its inode. An open socket keeps a deleted namespace alive, so that its interfaces
/// never go down: only its file tells.
class NamespaceFile {
 public:
  explicit NamespaceFile(std::string path);  ///< "": nothing to watch

  bool is_watched() const { return !path_.empty(); }
  bool is_gone() const;  ///< its file is no more, or stands for another namespace

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace hoptap::capture
