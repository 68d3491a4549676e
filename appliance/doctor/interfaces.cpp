#include "appliance/doctor/interfaces.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

namespace hoptap::appliance {
namespace {

/// Asks about one interface; its socket is closed at the end.
class Asker {
 public:
  explicit Asker(const std::string& name) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name.copy(request_.ifr_name, IFNAMSIZ - 1);
  }
  ~Asker() {
    if (fd_ >= 0) ::close(fd_);
  }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  bool ask(unsigned long what) { return ::ioctl(fd_, what, &request_) == 0; }
  template <class Command>
  bool ask_driver(Command& command) {
    request_.ifr_data = reinterpret_cast<char*>(&command);
    return ask(SIOCETHTOOL);
  }
  /// On or off; nothing when the driver does not say.
  std::optional<bool> is_on(std::uint32_t command) {
    ethtool_value value{.cmd = command, .data = 0};
    if (!ask_driver(value)) return std::nullopt;
    return value.data != 0;
  }
  const ifreq& answer() const { return request_; }

 private:
  int fd_;
  ifreq request_{};
};

/// "gro, tso": those that are on.
std::string offloads(Asker& asker) {
  struct One {
    std::uint32_t command;
    std::string_view name;
  };
  std::string on;
  for (const One& one : {One{ETHTOOL_GGRO, "gro"}, One{ETHTOOL_GTSO, "tso"}, One{ETHTOOL_GGSO, "gso"}})
    if (asker.is_on(one.command).value_or(false)) on += (on.empty() ? "" : ", ") + std::string(one.name);
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  if (asker.ask_driver(flags) && (flags.data & ETH_FLAG_LRO) != 0) on += on.empty() ? "lro" : ", lro";
  return on;
}

}  // namespace

std::vector<std::string> interface_names() {
  std::vector<std::string> names;
  const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> all(::if_nameindex(), ::if_freenameindex);
  for (const struct if_nameindex* one = all.get(); one != nullptr && one->if_name != nullptr; ++one)
    if (std::string_view(one->if_name) != "lo") names.emplace_back(one->if_name);
  return names;
}

Finding interface_finding(const std::string& name) {
  Finding finding{name, Severity::kGood, "", ""};
  Asker asker(name);
  if (!asker.ask(SIOCGIFFLAGS))
    return {name, Severity::kTrouble, "there is no such interface", "ip link shows which there are"};
  const bool is_up = (asker.answer().ifr_flags & IFF_UP) != 0;
  finding.text = is_up ? "up" : "down";
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (asker.ask_driver(driver)) finding.text += fmt::format(", driver {}", driver.driver);
  if (const std::string on = offloads(asker); !on.empty())
    finding.text += fmt::format(
        "; offloads {}: packets are seen as large as hosts hand them over, up to 64 KiB, which "
        "changes no result",
        on);
  ethtool_ringparam ring{};
  ring.cmd = ETHTOOL_GRINGPARAM;
  if (asker.ask_driver(ring) && ring.rx_max_pending > 0) {
    finding.text += fmt::format("; receive ring {} of at most {}", ring.rx_pending, ring.rx_max_pending);
    if (ring.rx_pending < ring.rx_max_pending) {
      finding.severity = Severity::kNote;
      finding.fix = fmt::format("for a mirror port: ethtool -G {} rx {}", name, ring.rx_max_pending);
    }
  }
  if (!is_up) {
    finding.severity = Severity::kNote;
    finding.fix = fmt::format("ip link set dev {} up", name);
  }
  return finding;
}

}  // namespace hoptap::appliance
