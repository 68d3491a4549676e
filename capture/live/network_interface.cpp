#include "capture/live/network_interface.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>
#include <utility>

#include "capture/live/interfaces.h"
#include "capture/live/live_failure.h"

namespace hoptap::capture {
namespace {

constexpr LinkType kEthernet = 1, kRawIp = 101;
constexpr std::size_t kNamesMax = 5;
constexpr unsigned kArphrdRawIp = 519, kArphrdIp6Gre = 823;  // newer than Debian 12's <net/if_arp.h>

std::optional<LinkType> link_type_of(unsigned hardware) {
  switch (hardware) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK: return kEthernet;
    case ARPHRD_NONE:  // tun
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case kArphrdIp6Gre:
    case kArphrdRawIp: return kRawIp;
    default: return std::nullopt;
  }
}

/// Levenshtein's distance.
std::size_t edits_between(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// False when the name does not fit: then there is no such interface.
bool set_name(ifreq& request, const std::string& name) {
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) return false;
  std::copy(name.begin(), name.end(), request.ifr_name);
  return true;
}

}  // namespace

std::string nearest_names(std::string_view name, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::stable_sort(names.begin(), names.end(), [&](const std::string& left, const std::string& right) {
    return edits_between(name, left) < edits_between(name, right);
  });
  const std::size_t left_out = names.size() - std::min(names.size(), kNamesMax);
  names.resize(names.size() - left_out);
  return fmt::format("{}{}", fmt::join(names, ", "), left_out > 0 ? fmt::format(" and {} more", left_out) : "");
}

base::Failure no_such_interface(const std::string& name) {
  const auto all = interfaces().value_or(std::vector<NamedInterface>());  // this namespace is never refused
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const NamedInterface& one : all) names.push_back(one.name);
  if (names.empty()) return live_failure(name, "no such interface");
  return live_failure(name, fmt::format("no such interface; there are {}", nearest_names(name, std::move(names))));
}

namespace {

/// Asks through `fd`, a socket of the interface's namespace.
base::Outcome<NetworkInterface> find_interface(int fd, const std::string& name) {
  NetworkInterface found;
  ifreq request{};
  if (!set_name(request, name) || ioctl(fd, SIOCGIFINDEX, &request) != 0) {
    return tl::unexpected(no_such_interface(name));
  }
  found.index = request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFHWADDR, &request) != 0) return tl::unexpected(system_failure(name, "has no link type", errno));
  const unsigned hardware = request.ifr_hwaddr.sa_family;
  const std::optional<LinkType> link_type = link_type_of(hardware);
  if (!link_type) {
    return tl::unexpected(live_failure(
        name,
        fmt::format("is of hardware type {}; the ring takes Ethernet, loopback, tun and IP tunnels, libpcap takes more",
                    hardware)));
  }
  found.link_type = *link_type;
  found.is_loopback = hardware == ARPHRD_LOOPBACK;
  return found;
}

}  // namespace

base::Outcome<OpenInterface> open_interface(const std::string& name) {
  Descriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));  // protocol 0: nothing is received
  if (!socket.is_open()) {
    if (errno == EPERM) return tl::unexpected(privilege_failure(name, CAP_NET_RAW));
    return tl::unexpected(system_failure(name, "cannot open a packet socket", errno));
  }
  auto interface = find_interface(socket.get(), name);
  if (!interface) return tl::unexpected(std::move(interface).error());
  return OpenInterface{std::move(socket), *interface};
}

LinkState LinkWatch::look() const {
  if (file_.is_gone()) return LinkState::kGone;
  sockaddr_ll bound{};
  socklen_t bytes = sizeof(bound);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &bytes) != 0) return LinkState::kGone;
  if (bound.sll_ifindex == 0) return LinkState::kRunning;  // all interfaces
  ifreq request{};
  request.ifr_ifindex = bound.sll_ifindex;  // -1 once it was deleted or moved to another namespace
  if (bound.sll_ifindex < 0 || ioctl(fd_, SIOCGIFNAME, &request) != 0) return LinkState::kGone;
  if (!name_.empty() && name_ != request.ifr_name) return LinkState::kGone;
  if (ioctl(fd_, SIOCGIFFLAGS, &request) != 0) return LinkState::kGone;
  return (request.ifr_flags & IFF_UP) != 0 ? LinkState::kRunning : LinkState::kDown;
}

}  // namespace hoptap::capture
