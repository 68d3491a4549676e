// What stands behind the ? of a request target, taken apart and read as times, durations, numbers and names. The first
// thing wrong is kept in words for the person who asked. Private to appliance/http/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hoptap::appliance {

/// A request target (RFC 9112 section 3.2) in parts, percent signs decoded.
struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> parameters;
  bool good = true;  ///< false: a broken % sequence, a control character, no path
};

Target read_target(std::string_view text);

/// For building targets.
std::string percent_encoded(std::string_view text);

class Query {
 public:
  /// `target` must outlive it.
  Query(const Target& target, std::uint64_t now_ns) : target_(target), now_ns_(now_ns) {}

  struct Complaint {
    std::string parameter;
    std::string message;
  };
  /// The first thing wrong so far.
  const std::optional<Complaint>& complaint() const { return complaint_; }
  void complain(std::string_view parameter, std::string message);

  /// Complains of a parameter that is not in `known` or there twice.
  void check_names(const std::vector<std::string_view>& known);

  // Each gives nothing when the parameter is missing or wrong.
  std::optional<std::string> text(std::string_view name);       ///< not empty
  std::optional<std::uint64_t> time(std::string_view name);     ///< RFC 3339, ns since the epoch, "-15m"
  std::optional<std::int64_t> duration(std::string_view name);  ///< "250ms", ns
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t min, std::uint64_t max);
  std::optional<bool> flag(std::string_view name);                                    ///< 1, true, 0, false
  std::optional<std::pair<std::string, std::string>> segment(std::string_view name);  ///< "tor-a..node-7"
  /// Index of the value among `values`.
  std::optional<std::size_t> choice(std::string_view name, const std::vector<std::string_view>& values);

 private:
  const std::string* find(std::string_view name) const;

  const Target& target_;
  std::uint64_t now_ns_;
  std::optional<Complaint> complaint_;
};

/// "250ms", "1.5s", "2h": ns, us, ms, s, m, h, d; nothing of anything else, nor of 292 years and more.
std::optional<std::int64_t> read_duration(std::string_view text);
/// RFC 3339, or ns since the epoch, or "now", or a duration before now ("-15m").
std::optional<std::uint64_t> read_time(std::string_view text, std::uint64_t now_ns);
/// 1 to 16 hexadecimal digits.
std::optional<std::uint64_t> read_hex(std::string_view text);

}  // namespace hoptap::appliance
