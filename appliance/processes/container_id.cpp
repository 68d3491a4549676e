#include "appliance/processes/container_id.h"

#include <algorithm>

namespace hoptap::appliance {
namespace {

constexpr std::size_t kIdDigits = 64;

bool is_digit(char character) {
  return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
}

/// "docker-ID.scope", "cri-containerd-ID.scope", "SLICE:cri-containerd:ID", "libpod-ID" or "ID".
std::string_view id_in(std::string_view name) {
  constexpr std::string_view kScope = ".scope";
  if (name.ends_with(kScope)) name.remove_suffix(kScope.size());
  if (name.size() < kIdDigits || name.find("-conmon-") != std::string_view::npos) return {};
  const std::string_view before = name.substr(0, name.size() - kIdDigits);
  if (!before.empty() && before.back() != '-' && before.back() != ':') return {};
  const std::string_view id = name.substr(before.size());
  return std::all_of(id.begin(), id.end(), is_digit) ? id : std::string_view();
}

}  // namespace

std::string container_of_path(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (const std::string_view id = id_in(name); !id.empty()) return std::string(id);
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
  return {};
}

std::string container_of_file(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find(':');  // "hierarchy:controllers:path"; a path may have colons of its own
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    if (std::string id = container_of_path(line.substr(second + 1)); !id.empty()) return id;
  }
  return {};
}

}  // namespace hoptap::appliance
