// Writes one pcap file with nanosecond stamps, a buffer at a time. Private to the forge; one thread. Owns the file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace hoptap::forge {

class PcapWriter {
 public:
  explicit PcapWriter(const std::string& path) : path_(path) {}

  /// Makes the file, or empties it. Throws std::system_error when that fails.
  void open();

  void write(std::int64_t unix_time_ns, base::Bytes captured, std::size_t wire_bytes);
  /// Throws std::system_error when not all could be written.
  void close();
  std::uint64_t records() const { return records_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void u32(std::uint64_t value);
  void flush();

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t records_ = 0;
};

}  // namespace hoptap::forge
