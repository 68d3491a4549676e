#include "appliance/probe/privileges.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/capabilities.h"

namespace hoptap::appliance {

namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct of_this_thread() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

}  // namespace

base::Outcome<void> keep_capabilities(std::uint64_t kept) {
  const auto fail = [](const char* what) {
    return tl::unexpected(
        base::Failure{fmt::format("privileges cannot be given up ({}: {})", what, std::strerror(errno))});
  };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("PR_SET_NO_NEW_PRIVS");
  __user_cap_header_struct header = of_this_thread();
  CapabilitySets sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return fail("capget");
  for (std::size_t at = 0; at < sets.size(); ++at) {
    const auto mask = static_cast<std::uint32_t>(kept >> (32 * at));
    sets[at].effective &= mask;
    sets[at].permitted &= mask;
    sets[at].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, sets.data()) != 0) return fail("capset");
  return {};
}

base::Outcome<void> drop_privileges(bool enters_namespaces, bool attaches_programs) {
  std::uint64_t kept = std::uint64_t{1} << CAP_NET_RAW;
  if (enters_namespaces) kept |= std::uint64_t{1} << CAP_SYS_ADMIN;
  if (attaches_programs)
    kept |=
        std::uint64_t{1} << CAP_NET_ADMIN | std::uint64_t{1} << base::kCapBpf | std::uint64_t{1} << base::kCapPerfmon;
  return keep_capabilities(kept);
}

}  // namespace hoptap::appliance
