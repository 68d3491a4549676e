#include "appliance/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

namespace hoptap::appliance {
namespace {

constexpr std::array<std::string_view, 6> kRoles{"pod", "node", "host", "switch", "gateway", "unknown"};

/// "04_switch-a.pcap.gz" -> "switch-a"
std::string stem_of(const std::filesystem::path& path) {
  if (path == "-") return "stdin";
  std::string stem = path.filename().string();
  for (const std::string_view ending : {".gz", ".zst", ".pcapng", ".pcap", ".cap", ".dmp", ".ntar"})
    if (stem.size() > ending.size() && stem.ends_with(ending)) stem.resize(stem.size() - ending.size());
  const std::size_t digits = stem.find_first_not_of("0123456789");
  if (digits == std::string::npos || digits == 0) return stem;
  const std::size_t start = stem.find_first_not_of("_- .", digits);
  return start == std::string::npos || start == digits ? stem : stem.substr(start);
}

/// The stem with `folders` of its parent folders before it.
std::string name_with_folders(const std::string& path, std::size_t folders) {
  std::string name = stem_of(path);
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  for (; folders > 0 && folder.has_filename(); --folders, folder = folder.parent_path())
    name.insert(0, folder.filename().string() + "/");
  return name;
}

}  // namespace

base::Outcome<std::pair<std::string, PointHint>> read_point_hint(std::string_view option, const std::string& text,
                                                                 std::string_view form) {
  const auto fail = [&](std::string_view why) {
    return tl::unexpected(base::Failure{fmt::format("{} {}: {}; write it as {}", option, text, why, form)});
  };
  const std::size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) return fail("has nothing before a =");
  PointHint hint;
  std::string rest = text.substr(equals + 1);
  const std::size_t colon = rest.find(':');
  hint.name = rest.substr(0, colon);
  if (hint.name.empty()) return fail("has no NAME");
  if (colon != std::string::npos) {
    rest = rest.substr(colon + 1);
    const std::size_t second = rest.find(':');
    hint.role = rest.substr(0, second);
    if (!is_role(hint.role)) return fail(fmt::format("the role is '{}', not one of {}", hint.role, roles_text()));
    if (second != std::string::npos) {
      std::uint32_t order = 0;
      const char* end = rest.data() + rest.size();
      const auto [at, error] = std::from_chars(rest.data() + second + 1, end, order);
      if (error != std::errc{} || at != end) return fail("the order behind the role is no number");
      hint.order = order;
    }
  }
  return std::pair{text.substr(0, equals), hint};
}

bool is_role(std::string_view role) { return std::find(kRoles.begin(), kRoles.end(), role) != kRoles.end(); }

std::string roles_text() { return fmt::format("{}", fmt::join(kRoles, ", ")); }

std::string name_of_interface(const std::string& capture, std::span<const capture::Interface> interfaces,
                              std::size_t index) {
  if (interfaces.size() <= 1) return capture;
  const std::string& name = interfaces[index].name;
  return capture + ":" + (name.empty() ? std::to_string(index) : name);
}

std::vector<std::string> names_of_files(const std::vector<std::string>& paths) {
  constexpr std::size_t kFoldersMax = 8;
  std::vector<std::string> names(paths.size());
  for (std::size_t folders = 0; folders <= kFoldersMax; ++folders) {
    for (std::size_t i = 0; i < paths.size(); ++i) names[i] = name_with_folders(paths[i], folders);
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  }
  std::map<std::string, int> seen;
  for (std::string& name : names)
    if (const int count = ++seen[name]; count > 1) name += "#" + std::to_string(count);
  return names;
}

std::string role_of_name(const std::string& name) {
  struct Word {
    std::string_view word;
    std::string_view role;
  };
  static constexpr std::array kWords = {
      Word{"pod", "pod"},          Word{"switch", "switch"},   Word{"tor", "switch"},  Word{"spine", "switch"},
      Word{"leaf", "switch"},      Word{"gateway", "gateway"}, Word{"gw", "gateway"},  Word{"router", "gateway"},
      Word{"firewall", "gateway"}, Word{"fw", "gateway"},      Word{"lb", "gateway"},  Word{"proxy", "gateway"},
      Word{"node", "node"},        Word{"client", "host"},     Word{"server", "host"}, Word{"host", "host"},
  };
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  for (const Word& word : kWords) {  // whole words only: "monitor" is not a "tor"
    for (std::size_t at = lower.find(word.word); at != std::string::npos; at = lower.find(word.word, at + 1)) {
      const std::size_t end = at + word.word.size();
      if ((at == 0 || !is_letter(lower[at - 1])) && (end == lower.size() || !is_letter(lower[end])))
        return std::string(word.role);
    }
  }
  return "unknown";
}

}  // namespace hoptap::appliance
