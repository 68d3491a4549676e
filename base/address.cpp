#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace hoptap::base {
namespace {
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

IpAddress IpAddress::from(Bytes network_order) {
  IpAddress address;
  if (network_order.size() == 16) {
    std::copy(network_order.begin(), network_order.end(), address.bytes.begin());
  } else if (network_order.size() == 4) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
    std::copy(network_order.begin(), network_order.end(), address.bytes.begin() + 12);
  }
  return address;
}

std::optional<IpAddress> IpAddress::from_text(std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return from(Bytes(bytes).first(4));
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return from(bytes);
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin()); }

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes.data() + 12, buffer.data(), buffer.size());
  } else {
    inet_ntop(AF_INET6, bytes.data(), buffer.data(), buffer.size());
  }
  return buffer.data();
}

MacAddress MacAddress::from(Bytes network_order) {
  MacAddress address;
  if (network_order.size() == 6) std::copy(network_order.begin(), network_order.end(), address.bytes.begin());
  return address;
}

std::string MacAddress::text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string Endpoint::text() const {
  const std::string host = address.text();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace hoptap::base
