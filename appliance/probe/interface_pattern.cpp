#include "appliance/probe/interface_pattern.h"

#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string_view>
#include <utility>

#include "capture/live/interfaces.h"

namespace hoptap::appliance {
namespace {

constexpr std::string_view kNamespaces = "/run/netns/";

bool has_wildcard(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

/// The files that match, each namespace once.
std::vector<std::string> matching_namespaces(const std::string& pattern) {
  if (!has_wildcard(pattern)) return {pattern};
  std::vector<std::string> found;
  std::set<std::pair<dev_t, ino_t>> seen;
  glob_t all{};
  if (::glob(pattern.c_str(), 0, nullptr, &all) == 0) {
    for (std::size_t at = 0; at < all.gl_pathc; ++at) {
      struct stat about {};
      if (::stat(all.gl_pathv[at], &about) == 0 && seen.emplace(about.st_dev, about.st_ino).second)
        found.emplace_back(all.gl_pathv[at]);
    }
  }
  ::globfree(&all);
  return found;
}

bool matches(const std::string& pattern, const capture::NamedInterface& one) {
  if (one.name == "lo") return false;
  if (pattern.starts_with('@')) return one.driver == pattern.substr(1);
  return ::fnmatch(pattern.c_str(), one.name.c_str(), 0) == 0;
}

}  // namespace

bool is_pattern(const LiveInput& input) {
  return input.way != CaptureWay::kDpdk &&
         (has_wildcard(input.capture.interface) || input.capture.interface.starts_with('@') ||
          has_wildcard(input.capture.network_namespace));
}

std::vector<LiveInput> matching(const LiveInput& pattern, std::vector<base::Failure>& refused) {
  std::vector<LiveInput> found;
  const bool is_named = pattern.point.name != place_text(pattern);
  for (const std::string& place : matching_namespaces(pattern.capture.network_namespace)) {
    const auto all = capture::interfaces(place);
    if (!all) {
      if (::access(place.c_str(), F_OK) == 0) refused.push_back(all.error());  // else it is gone again
      continue;
    }
    for (const capture::NamedInterface& one : *all) {
      if (!matches(pattern.capture.interface, one)) continue;
      LiveInput input = pattern;
      input.capture.network_namespace = place;
      input.capture.interface = one.name;
      input.point.name = (is_named ? pattern.point.name + "/" : "") + place_text(input);
      found.push_back(std::move(input));
    }
  }
  return found;
}

std::string place_text(const LiveInput& input) {
  const std::string& place = input.capture.network_namespace;
  if (place.empty()) return input.capture.interface;
  return (place.starts_with(kNamespaces) ? place.substr(kNamespaces.size()) : place) + "/" + input.capture.interface;
}

}  // namespace hoptap::appliance
