#include "base/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hoptap::base {
namespace {

constexpr std::array<std::pair<unsigned, const char*>, 7> kUseful{{{CAP_NET_RAW, "cap_net_raw"},
                                                                   {CAP_NET_ADMIN, "cap_net_admin"},
                                                                   {CAP_SYS_ADMIN, "cap_sys_admin"},
                                                                   {CAP_SYS_PTRACE, "cap_sys_ptrace"},
                                                                   {CAP_DAC_READ_SEARCH, "cap_dac_read_search"},
                                                                   {kCapBpf, "cap_bpf"},
                                                                   {kCapPerfmon, "cap_perfmon"}}};

}  // namespace

std::uint64_t effective_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return 0;
  return std::uint64_t{sets[1].effective} << 32 | sets[0].effective;
}

std::string capability_name(unsigned number) {
  const auto* const found =
      std::find_if(kUseful.begin(), kUseful.end(), [&](const auto& one) { return one.first == number; });
  if (found == kUseful.end()) return "a capability";
  std::string name = found->second;
  for (char& letter : name) letter = static_cast<char>(letter == '_' ? letter : letter - 'a' + 'A');
  return name;
}

std::string setcap_words(std::initializer_list<unsigned> needed) {
  std::uint64_t wanted = effective_capabilities() | 1u << CAP_NET_RAW;
  for (const unsigned number : needed) wanted |= std::uint64_t{1} << number;
  std::string words;
  for (const auto& [number, name] : kUseful) {
    if ((wanted >> number & 1) == 0) continue;
    if (!words.empty()) words += ',';
    words += name;
  }
  return words + "+ep";
}

}  // namespace hoptap::base
