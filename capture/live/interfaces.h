// The network interfaces there are, and what changes their packets before capture sees them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hoptap::capture {

/// Segments that host or NIC put together or have still to cut (ethtool(8), -k). Empty: the driver does not say.
struct Offloads {
  std::optional<bool> gro;  ///< received segments are put together by the kernel
  std::optional<bool> lro;  ///< by the NIC
  std::optional<bool> tso;  ///< sent ones are cut by the NIC
  std::optional<bool> gso;  ///< by the kernel, after capture
};

struct OffloadName {
  std::string_view name;
  std::optional<bool> Offloads::*field;
};
inline constexpr std::array kOffloads{OffloadName{"gro", &Offloads::gro}, OffloadName{"lro", &Offloads::lro},
                                      OffloadName{"tso", &Offloads::tso}, OffloadName{"gso", &Offloads::gso}};

/// "gro, tso": those that are on.
std::string on_text(const Offloads& offloads);

struct InterfaceTraits {
  bool is_up = false;
  std::string driver;  ///< "veth"; "": there is none, or it does not say
  Offloads offloads;
  std::uint32_t ring = 0, ring_max = 0;  ///< packets the NIC's receive ring has and may have; 0: it does not say
};

struct NamedInterface {
  std::string name;
  std::string driver;  ///< "veth"; "": there is none, or it does not say
};

/// Those of a network namespace (its file; "": the calling thread's), loopback included. Fails when it cannot be
/// entered.
[[nodiscard]] base::Outcome<std::vector<NamedInterface>> interfaces(const std::string& network_namespace = "");

/// Fails as a ring or eBPF would that is opened there now: there is no such interface or namespace, or none of a kind
/// they take, or CAP_NET_RAW or CAP_SYS_ADMIN is missing. Listens to nothing.
[[nodiscard]] base::Outcome<void> try_interface(const std::string& name, const std::string& network_namespace = "");

/// Nothing when there is no such interface in the namespace, or that cannot be entered.
std::optional<InterfaceTraits> interface_traits(const std::string& name, const std::string& network_namespace = "");

}  // namespace hoptap::capture
