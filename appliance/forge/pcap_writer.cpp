#include "appliance/forge/pcap_writer.h"

#include <cerrno>
#include <system_error>

namespace hoptap::forge {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
constexpr std::int64_t kBillion = 1'000'000'000;

}  // namespace

void PcapWriter::open() {
  file_.reset(std::fopen(path_.c_str(), "wb"));
  if (!file_) throw std::system_error(errno, std::generic_category(), path_);
  buffer_.reserve(2 * kBufferBytes);
  constexpr std::uint32_t kMagicNanoseconds = 0xa1b23c4d;
  constexpr std::uint32_t kSnapLength = 262144;
  constexpr std::uint32_t kEthernet = 1;
  u32(kMagicNanoseconds);
  u32(4U << 16 | 2U);  // version 2.4
  u32(0);
  u32(0);
  u32(kSnapLength);
  u32(kEthernet);
}

void PcapWriter::u32(std::uint64_t value) {
  for (int shift = 0; shift < 32; shift += 8) buffer_.push_back(static_cast<std::uint8_t>(value >> shift));
}

void PcapWriter::write(std::int64_t unix_time_ns, base::Bytes captured, std::size_t wire_bytes) {
  u32(static_cast<std::uint64_t>(unix_time_ns / kBillion));
  u32(static_cast<std::uint64_t>(unix_time_ns % kBillion));
  u32(captured.size());
  u32(wire_bytes);
  buffer_.insert(buffer_.end(), captured.begin(), captured.end());
  ++records_;
  if (buffer_.size() >= kBufferBytes) flush();
}

void PcapWriter::flush() {
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size())
    throw std::system_error(errno, std::generic_category(), path_);
  buffer_.clear();
}

void PcapWriter::close() {
  flush();
  if (std::fclose(file_.release()) != 0) throw std::system_error(errno, std::generic_category(), path_);
}

}  // namespace hoptap::forge
