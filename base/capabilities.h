// What this process may do beyond others (capabilities(7)), and how it comes to more. Any thread, of which it is.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace hoptap::base {

inline constexpr unsigned kCapPerfmon = 38, kCapBpf = 39;  ///< newer than some <linux/capability.h>

/// Bits, as the kernel numbers them (linux/capability.h); 0 when it cannot be asked.
[[nodiscard]] std::uint64_t effective_capabilities();

[[nodiscard]] inline bool has_capability(unsigned number) { return (effective_capabilities() >> number & 1) != 0; }

/// "CAP_NET_RAW", of those that hoptap has a use for; else "a capability".
[[nodiscard]] std::string capability_name(unsigned number);

/// "cap_net_raw,cap_sys_admin+ep", to hand to setcap(8): those of `needed` (numbers), CAP_NET_RAW, without which
/// nothing is listened at, and what hoptap has a use for and this process has, since setcap takes away what it does not
/// name.
[[nodiscard]] std::string setcap_words(std::initializer_list<unsigned> needed);

}  // namespace hoptap::base
