#include "appliance/probe/live_input.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "appliance/probe/interface_pattern.h"

namespace hoptap::appliance {

base::Outcome<LiveInput> read_interface(const std::string& text) {
  LiveInput input;
  std::string where = text;
  if (text.find('=') != std::string::npos) {
    auto hint = read_point_hint("--interface", text, "INTERFACE=NAME:ROLE, for example eth0=node-7:node");
    if (!hint) return tl::unexpected(hint.error());
    where = hint->first;
    input.point = hint->second;
  }
  set_interface(where, input);
  if (is_pattern(input)) input.capture.block_count = kPatternRingMib;
  if (input.capture.interface.empty())
    return tl::unexpected(base::Failure{fmt::format(
        "--interface {}: names no interface; write eth0, or pod-a/eth0 for one in a network namespace, or 'veth*'",
        text)});
  return input;
}

void set_interface(const std::string& where, LiveInput& input) {
  constexpr std::string_view kDpdk = "dpdk:";
  if (input.point.name.empty()) input.point.name = where;
  if (where.starts_with(kDpdk)) {
    input.way = CaptureWay::kDpdk;
    input.capture.interface = where.substr(kDpdk.size());
    return;
  }
  const std::size_t slash = where.rfind('/');
  input.capture.interface = slash == std::string::npos ? where : where.substr(slash + 1);
  if (slash != std::string::npos) {
    const std::string place = where.substr(0, slash);
    input.capture.network_namespace = place.starts_with('/') ? place : "/run/netns/" + place;
  }
}

std::string filter_without_export(const std::string& filter, const std::string& tracer) {
  const std::size_t colon = tracer.rfind(':');
  if (colon == std::string::npos) return filter;
  std::string host = tracer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo* found = nullptr;
  const addrinfo hints{.ai_socktype = SOCK_STREAM};
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) found = nullptr;  // it may be found later
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, [](addrinfo* one) {
    if (one != nullptr) ::freeaddrinfo(one);
  });
  std::string hosts;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char address[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    hosts += fmt::format("{}host {}", hosts.empty() ? "" : " or ", address);
  }
  const std::string port = tracer.substr(colon + 1);
  const long number = std::strtol(port.c_str(), nullptr, 10);
  if (number < 1 || number > 65535) return filter;  // the sender says what is wrong with the address
  const std::string without =
      hosts.empty() ? fmt::format("not (tcp port {})", port) : fmt::format("not (tcp port {} and ({}))", port, hosts);
  return filter.empty() ? without : fmt::format("{} and ({})", without, filter);
}

std::uint64_t secret_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed) && seed != 0) return seed;
  // Kernels before 3.17 have no getrandom().
  if (const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/dev/urandom", "rb"), std::fclose);
      file && std::fread(&seed, sizeof seed, 1, file.get()) == 1 && seed != 0)
    return seed;
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) | 1;
}

}  // namespace hoptap::appliance
