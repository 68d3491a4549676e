// Progress of long work, for the person at the terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "capture/source.h"

namespace hoptap::appliance {

/// Draws one line on standard error, at most some times a second and only when that is a terminal (or
/// when told to). Erases itself.
class Progress {
 public:
  enum class When { kAuto, kAlways, kNever };

  /// What --progress says: auto, always or never.
  static When when_of(std::string_view word);

  explicit Progress(When when);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Call often; cheap.
  void update(const std::string& what, const capture::SourceProgress& progress);
  /// The same for work of which only the share that is done is known.
  void update(const std::string& what, double done);
  /// Work without an end: what there is to be said now.
  void show(const std::string& line);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool is_due();
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  void draw(const std::string& line);

  bool on_;
  bool drawn_ = false;
  std::uint32_t calls_ = 0;
  Clock::time_point started_ = Clock::now();
  Clock::time_point next_ = started_ + std::chrono::seconds(1);
};

}  // namespace hoptap::appliance
