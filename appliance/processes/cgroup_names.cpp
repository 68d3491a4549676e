#include "appliance/processes/cgroup_names.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <utility>

#include "appliance/processes/container_id.h"

namespace hoptap::appliance {
namespace {

constexpr int kDepthMax = 32;
constexpr std::size_t kGroupsMax = 1u << 16;

bool is_version_2(const char* path) {
  constexpr unsigned long kMagic = 0x63677270;  // CGROUP2_SUPER_MAGIC, newer than some <linux/magic.h>
  struct statfs about {};
  return ::statfs(path, &about) == 0 && static_cast<unsigned long>(about.f_type) == kMagic;
}

}  // namespace

CgroupNames::CgroupNames(std::string root) : root_(std::move(root)) {
  if (!root_.empty()) return;
  is_whole_ = is_version_2("/sys/fs/cgroup");
  root_ = is_whole_ ? "/sys/fs/cgroup" : is_version_2("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "";
}

void CgroupNames::look(const std::string& folder, const std::string& container, int depth) {
  struct stat about {};
  if (depth > kDepthMax || containers_.size() >= kGroupsMax || ::stat(folder.c_str(), &about) != 0) return;
  containers_[about.st_ino] = container;
  if (about.st_nlink == 2) return;  // without groups of its own
  DIR* const entries = ::opendir(folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* const entry = ::readdir(entries)) {
    const std::string name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    const std::string own = container_of_path(name);
    look(fmt::format("{}/{}", folder, name), own.empty() ? container : own, depth + 1);
  }
  ::closedir(entries);
}

std::optional<std::string> CgroupNames::container_of(std::uint64_t cgroup) {
  if (root_.empty()) return "";
  const auto known = [&] { return containers_.find(cgroup); };
  if (const auto found = known(); found != containers_.end()) return found->second;
  if (!pace_.is_due()) return std::nullopt;
  pace_.begin();
  containers_.clear();
  look(root_, "", 0);
  pace_.end();
  const auto found = known();
  return found != containers_.end() ? found->second : "";  // gone already: it cannot be told any more
}

}  // namespace hoptap::appliance
