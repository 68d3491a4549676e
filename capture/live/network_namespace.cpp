#include "capture/live/network_namespace.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "capture/live/descriptor.h"
#include "capture/live/live_failure.h"

namespace hoptap::capture {

base::Outcome<void> in_network_namespace(const std::string& path, const std::function<void()>& work) {
  if (path.empty()) {
    work();
    return {};
  }
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return tl::unexpected(system_failure(path, "cannot open the network namespace", errno));
  int error = 0;
  std::thread([&] {
    if (setns(file.get(), CLONE_NEWNET) == 0) {
      work();
    } else {
      error = errno;
    }
  }).join();
  if (error == EPERM) return tl::unexpected(privilege_failure(path, CAP_SYS_ADMIN));
  if (error == EINVAL) return tl::unexpected(live_failure(path, "is not a network namespace"));
  if (error != 0) return tl::unexpected(system_failure(path, "cannot enter the network namespace", error));
  return {};
}

NamespaceFile::NamespaceFile(std::string path) : path_(std::move(path)) {
  struct stat found {};
  if (is_watched() && stat(path_.c_str(), &found) == 0) {
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
}

bool NamespaceFile::is_gone() const {
  if (!is_watched()) return false;
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) return errno == ENOENT || errno == ESRCH || errno == ENOTDIR;
  return found.st_dev != device_ || found.st_ino != inode_;
}

}  // namespace hoptap::capture
