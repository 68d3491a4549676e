// YAML maps read with complaints that name the line and, for a key nobody knows, the one that was meant: scenarios of
// the forge, configuration of the daemons. One thread.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hoptap::appliance {

/// What is wrong in a file, and where (0: nowhere in particular). Thrown while one is being read, and when what it asks
/// for turns out to be too much.
class YamlError : public std::runtime_error {
 public:
  YamlError(int line, const std::string& what) : std::runtime_error(what), line_(line) {}
  int line() const { return line_; }

 private:
  int line_;
};

int line_of(const YAML::Node& node);

/// "FILE:LINE: WHAT", on one line.
base::Failure yaml_failure(std::string_view file, int line, std::string_view what);

/// Numbers from low to high, both included.
struct Range {
  double low = 0;
  double high = 0;
};

/// `words` nearest to `word` by spelling, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& words);

/// One map, say "a segment". Knows all keys that it may have.
class Section {
 public:
  /// Throws unless `node` is a map (or nothing, which is an empty map) with known keys only, each once.
  Section(const YAML::Node& node, std::string what, std::vector<std::string_view> keys);

  int line() const { return line_; }
  const std::string& what() const { return what_; }
  bool has(std::string_view key) const;
  /// The value of a key; an undefined node when it is not there.
  YAML::Node find(std::string_view key) const;
  /// The value of a key that must be there.
  YAML::Node need(std::string_view key) const;

  double number(std::string_view key, double otherwise, Range range) const;
  std::uint64_t integer(std::string_view key, std::uint64_t otherwise, Range range) const;
  bool flag(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key, std::string_view otherwise) const;
  /// The index of the key's value in `choices`.
  std::size_t choice(std::string_view key, std::size_t otherwise, const std::vector<std::string_view>& choices) const;

  [[noreturn]] void fail(std::string_view key, const std::string& why) const;

 private:
  std::string what_;
  int line_ = 0;
  std::vector<std::pair<std::string, YAML::Node>> values_;
};

/// Reads a YAML text with `read(root)`, which may throw YamlError. A failure names the file, the line and what to do.
template <class Read>
auto read_yaml(const std::string& text, std::string_view file, Read read)
    -> base::Outcome<decltype(read(std::declval<YAML::Node>()))> {
  try {
    return read(YAML::Load(text));
  } catch (const YamlError& error) {
    return tl::unexpected(yaml_failure(file, error.line(), error.what()));
  } catch (const YAML::Exception& error) {
    return tl::unexpected(
        yaml_failure(file, error.mark.line < 0 ? 0 : error.mark.line + 1, "is not YAML: " + error.msg));
  }
}

/// A scalar as a number within `range`; `what` names it in complaints.
double read_number(const YAML::Node& node, std::string_view what, Range range);

}  // namespace hoptap::appliance
