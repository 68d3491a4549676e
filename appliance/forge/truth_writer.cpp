#include "appliance/forge/truth_writer.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <tuple>

namespace hoptap::forge {

TruthWriter::TruthWriter(std::string path, const std::vector<Point*>& points)
    : path_(std::move(path)), points_(points), unsorted_(open(path_ + ".unsorted", "wb+")) {}

TruthWriter::~TruthWriter() {
  unsorted_.reset();
  std::remove((path_ + ".unsorted").c_str());
}

TruthWriter::File TruthWriter::open(const std::string& path, const char* mode) const {
  File file(std::fopen(path.c_str(), mode));
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  return file;
}

void TruthWriter::put(std::FILE* file, std::string_view text) const {
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size())
    throw std::system_error(errno, std::generic_category(), path_);
}

void TruthWriter::add(const Exchange& exchange) {
  const std::string line = request_line(exchange, points_);
  lines_.push_back({.start = exchange.start,
                    .offset = written_,
                    .number = exchange.number,
                    .bytes = static_cast<std::uint32_t>(line.size())});
  put(unsorted_.get(), line);
  written_ += line.size();
}

void TruthWriter::finish(const Scenario& scenario, std::uint64_t seed) {
  const File file = open(path_, "wb");
  put(file.get(), run_line(scenario, seed, points_));
  std::sort(lines_.begin(), lines_.end(),
            [](const Line& a, const Line& b) { return std::tie(a.start, a.number) < std::tie(b.start, b.number); });
  std::string text;
  for (const Line& line : lines_) {
    text.resize(line.bytes);
    if (std::fseek(unsorted_.get(), static_cast<long>(line.offset), SEEK_SET) != 0 ||
        std::fread(text.data(), 1, text.size(), unsorted_.get()) != text.size())
      throw std::system_error(errno, std::generic_category(), path_);
    put(file.get(), text);
  }
  if (std::fflush(file.get()) != 0) throw std::system_error(errno, std::generic_category(), path_);
}

}  // namespace hoptap::forge
