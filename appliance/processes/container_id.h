// Which container a control group belongs to, by the names that container engines give. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace hoptap::appliance {

/// container.id (64 hexadecimal digits) in a path of control groups: of Docker, containerd, CRI-O and Podman, with
/// cgroupfs or systemd as their driver. Of containers within containers the innermost. "": in none, a unit of systemd
/// or a container's monitor (conmon).
std::string container_of_path(std::string_view path);

/// The same of a file /proc/PID/cgroup, of any version of control groups (cgroups(7)).
std::string container_of_file(std::string_view text);

}  // namespace hoptap::appliance
