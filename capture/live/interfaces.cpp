#include "capture/live/interfaces.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "capture/live/descriptor.h"
#include "capture/live/network_interface.h"
#include "capture/live/network_namespace.h"

namespace hoptap::capture {
namespace {

/// Asks about one interface.
class Asker {
 public:
  explicit Asker(const std::string& name) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name.copy(request_.ifr_name, IFNAMSIZ - 1);
  }

  bool ask(unsigned long what) { return ::ioctl(socket_.get(), what, &request_) == 0; }
  template <class Command>
  bool ask_driver(Command& command) {
    request_.ifr_data = reinterpret_cast<char*>(&command);
    return ask(SIOCETHTOOL);
  }
  /// The bit of the value; nothing when the driver does not say.
  std::optional<bool> is_on(std::uint32_t command, std::uint32_t bit) {
    ethtool_value value{.cmd = command, .data = 0};
    if (!ask_driver(value)) return std::nullopt;
    return (value.data & bit) != 0;
  }
  std::string driver() {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ask_driver(info) ? std::string(info.driver, ::strnlen(info.driver, sizeof info.driver)) : std::string();
  }
  const ifreq& answer() const { return request_; }

 private:
  Descriptor socket_;
  ifreq request_{};
};

std::optional<InterfaceTraits> ask_all(const std::string& name) {
  Asker asker(name);
  if (!asker.ask(SIOCGIFFLAGS)) return std::nullopt;
  InterfaceTraits traits;
  traits.is_up = (asker.answer().ifr_flags & IFF_UP) != 0;
  traits.driver = asker.driver();
  traits.offloads = {.gro = asker.is_on(ETHTOOL_GGRO, ~0u),
                     .lro = asker.is_on(ETHTOOL_GFLAGS, ETH_FLAG_LRO),
                     .tso = asker.is_on(ETHTOOL_GTSO, ~0u),
                     .gso = asker.is_on(ETHTOOL_GGSO, ~0u)};
  ethtool_ringparam ring{};
  ring.cmd = ETHTOOL_GRINGPARAM;
  if (asker.ask_driver(ring)) {
    traits.ring = ring.rx_pending;
    traits.ring_max = ring.rx_max_pending;
  }
  return traits;
}

}  // namespace

std::string on_text(const Offloads& offloads) {
  std::string on;
  for (const OffloadName& one : kOffloads)
    if ((offloads.*one.field).value_or(false)) on += (on.empty() ? "" : ", ") + std::string(one.name);
  return on;
}

base::Outcome<std::vector<NamedInterface>> interfaces(const std::string& network_namespace) {
  std::vector<NamedInterface> found;
  const auto entered = in_network_namespace(network_namespace, [&found] {
    const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> all(::if_nameindex(), ::if_freenameindex);
    for (const struct if_nameindex* one = all.get(); one != nullptr && one->if_name != nullptr; ++one)
      found.push_back({one->if_name, Asker(one->if_name).driver()});
  });
  if (!entered) return tl::unexpected(entered.error());
  return found;
}

base::Outcome<void> try_interface(const std::string& name, const std::string& network_namespace) {
  base::Outcome<OpenInterface> opened = tl::unexpected(base::Failure{});
  if (auto entered = in_network_namespace(network_namespace, [&] { opened = open_interface(name); }); !entered)
    return entered;
  return opened ? base::Outcome<void>() : tl::unexpected(opened.error());
}

std::optional<InterfaceTraits> interface_traits(const std::string& name, const std::string& network_namespace) {
  std::optional<InterfaceTraits> traits;
  const auto entered = in_network_namespace(network_namespace, [&] { traits = ask_all(name); });
  return entered ? traits : std::nullopt;
}

}  // namespace hoptap::capture
