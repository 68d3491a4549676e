#include "export/transport/spool_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace hoptap::exporting {
namespace {

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

/// What the holder of the lock wrote into it.
std::string holder(int file) {
  std::array<char, 32> text{};
  const ssize_t got = ::pread(file, text.data(), text.size(), 0);
  std::string pid(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

base::Outcome<SpoolFolder> SpoolFolder::lock(const std::string& path) {
  std::error_code error;
  if (path.empty()) return fail("the spool has no folder; name one in the configuration");
  if (!std::filesystem::is_directory(path, error)) {
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail("cannot make the spool's folder " + path + ": " + std::strerror(errno) +
                  "; make it and give it to this user, or name another");
    }
  }
  SpoolFolder folder;
  folder.path_ = path;
  const std::string name = path + "/lock";
  folder.lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (folder.lock_ < 0) {
    return fail("cannot write to the spool's folder " + path + ": " + std::strerror(errno) +
                "; give it to this user, or name another");
  }
  if (::flock(folder.lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail("the spool " + path + " is in use by " + holder(folder.lock_) +
                "; stop that, or give each probe a folder of its own");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // A full disk must not keep the probe from starting: the number is for people only.
  if (::ftruncate(folder.lock_, 0) == 0) (void)!::pwrite(folder.lock_, pid.data(), pid.size(), 0);
  return folder;
}

SpoolFolder::SpoolFolder(SpoolFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)), put_aside_(other.put_aside_) {}

SpoolFolder::~SpoolFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void SpoolFolder::put_aside(std::uint64_t bytes) {
  if (put_aside_ || bytes == 0) return;
  const std::string name = path_ + "/reserve";
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  put_aside_ = ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0;
  if (!put_aside_) (void)!::ftruncate(file, 0);
  ::close(file);
}

bool SpoolFolder::give_free() {
  if (!put_aside_) return false;
  put_aside_ = false;
  return ::unlink((path_ + "/reserve").c_str()) == 0;
}

std::string boot_name() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string name;
  std::getline(file, name);
  return name;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t at = 0; at < count;) {
    const ssize_t got = ::getrandom(bytes.data() + at, count - at, 0);
    if (got > 0) at += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR) break;
  }
  return bytes;
}

}  // namespace hoptap::exporting
