#include "appliance/doctor/interfaces.h"

#include <fmt/format.h>

#include "capture/live/interfaces.h"

namespace hoptap::appliance {

Finding interface_finding(const std::string& name, const std::string& network_namespace) {
  const auto traits = capture::interface_traits(name, network_namespace);
  if (!traits && !network_namespace.empty())
    return {name, Severity::kTrouble,
            fmt::format("there is no such interface in {}, or that cannot be entered", network_namespace),
            "ip netns shows which there are; entering needs CAP_SYS_ADMIN"};
  if (!traits) return {name, Severity::kTrouble, "there is no such interface", "ip link shows which there are"};
  Finding finding{name, Severity::kGood, traits->is_up ? "up" : "down", ""};
  if (!traits->driver.empty()) finding.text += fmt::format(", driver {}", traits->driver);
  if (const std::string on = capture::on_text(traits->offloads); !on.empty())
    finding.text += fmt::format(
        "; offloads {}: packets are seen as large as hosts hand them over, up to 64 KiB, which "
        "changes no result",
        on);
  if (traits->ring_max > 0) {
    finding.text += fmt::format("; receive ring {} of at most {}", traits->ring, traits->ring_max);
    if (traits->ring < traits->ring_max) {
      finding.severity = Severity::kNote;
      finding.fix = fmt::format("for a mirror port: ethtool -G {} rx {}", name, traits->ring_max);
    }
  }
  if (!traits->is_up) {
    finding.severity = Severity::kNote;
    finding.fix = fmt::format("ip link set dev {} up", name);
  }
  return finding;
}

}  // namespace hoptap::appliance
