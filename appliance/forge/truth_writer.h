// Writes truth.jsonl: what really happened. Private to the forge; one thread. Owns its files.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "appliance/forge/exchange.h"
#include "appliance/forge/point.h"

namespace hoptap::forge {

/// Lines come in any order and are put into that of the requests' starts at the end; meanwhile they are in a
/// temporary file beside the truth.
class TruthWriter {
 public:
  /// Throws std::system_error when a file cannot be made.
  TruthWriter(std::string path, const std::vector<Point*>& points);
  ~TruthWriter();
  TruthWriter(const TruthWriter&) = delete;
  TruthWriter& operator=(const TruthWriter&) = delete;

  void add(const Exchange& exchange);
  /// Throws std::system_error when not all could be written.
  void finish(const Scenario& scenario, std::uint64_t seed);

 private:
  struct Line {
    Time start;
    std::uint64_t offset;
    std::uint32_t number;
    std::uint32_t bytes;
  };
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Closer>;
  File open(const std::string& path, const char* mode) const;
  void put(std::FILE* file, std::string_view text) const;

  std::string path_;
  const std::vector<Point*>& points_;
  File unsorted_;
  std::uint64_t written_ = 0;
  std::vector<Line> lines_;
};

/// One line each, with its end.
std::string run_line(const Scenario& scenario, std::uint64_t seed, const std::vector<Point*>& points);
std::string request_line(const Exchange& exchange, const std::vector<Point*>& points);

}  // namespace hoptap::forge
