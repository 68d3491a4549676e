#include "export/spill.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/archive.h"
#include "base/hash.h"
#include "flowtable/record_codec.h"

namespace hoptap::exporting {
namespace {

constexpr std::uint32_t kMagic = 0x32475448;  // "HTG2", little endian
constexpr std::size_t kHeaderBytes = 20;      // magic, groups, payload bytes: 32 bits each; XXH3-64 of the payload

std::string directory() {
  const char* chosen = ::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
}

tl::unexpected<base::Failure> failed(const std::string& doing) {
  return tl::unexpected(base::Failure{"cannot " + doing + " the temporary file in " + directory() + ": " +
                                      std::strerror(errno) + "; set TMPDIR to a directory with more room"});
}

void store_le(std::uint64_t value, std::size_t bytes, std::uint8_t* out) {
  for (std::size_t at = 0; at < bytes; ++at) out[at] = static_cast<std::uint8_t>(value >> (8 * at));
}

bool write_all(int file, base::Bytes bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return true;
}

bool read_all(int file, std::span<std::uint8_t> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

base::Result<linker::Group> take_group(base::Bytes& bytes) {
  const base::Result<std::uint64_t> count = base::take_number(bytes);
  if (!count || *count > bytes.size()) return tl::unexpected(base::Error::kTruncated);
  linker::Group group;
  for (std::uint64_t at = 0; at < *count; ++at) {
    base::Result<flowtable::HopRecord> record = flowtable::decode_hop(bytes);
    if (!record) return tl::unexpected(record.error());
    group.records.push_back(std::move(*record));
  }
  return group;
}

/// Null when all groups of a chunk could be taken, else what is wrong.
const char* give(base::Bytes bytes, std::uint32_t groups, const std::function<void(linker::Group&&)>& take) {
  for (std::uint32_t at = 0; at < groups; ++at) {
    base::Result<linker::Group> group = take_group(bytes);
    if (!group) return "the temporary file holds a record that cannot be read";
    take(std::move(*group));
  }
  return nullptr;
}

}  // namespace

GroupStore::~GroupStore() {
  if (file_ >= 0) ::close(file_);
}

base::Outcome<void> GroupStore::append(const linker::Group& group) {
  const std::size_t before = current_.bytes.size();
  base::put_number(group.records.size(), current_.bytes);
  for (const flowtable::HopRecord& record : group.records) flowtable::encode(record, current_.bytes);
  ++current_.groups;
  if (current_.bytes.size() >= kChunkBytes) {
    if (base::Outcome<void> sealed = seal(); !sealed) {
      current_.bytes.resize(before);
      --current_.groups;
      return sealed;
    }
  }
  ++groups_;
  return {};
}

/// Moves the current chunk to memory while that lasts, then everything to the file.
base::Outcome<void> GroupStore::seal() {
  if (file_ < 0 && memory_bytes_ + current_.bytes.size() <= memory_bytes_max_) {
    memory_bytes_ += current_.bytes.size();
    in_memory_.push_back(std::move(current_));
    current_ = {};
    return {};
  }
  if (file_ < 0) {
    if (base::Outcome<void> opened = open_file(); !opened) return opened;
  }
  const std::uint64_t before = file_bytes_;
  for (const Chunk& chunk : in_memory_) {
    if (base::Outcome<void> written = write(chunk); !written) {
      file_bytes_ = before;  // what is in memory still counts
      return written;
    }
  }
  if (base::Outcome<void> written = write(current_); !written) {
    file_bytes_ = before;
    return written;
  }
  in_memory_.clear();
  in_memory_.shrink_to_fit();
  current_.groups = 0;
  current_.bytes.clear();
  return {};
}

base::Outcome<void> GroupStore::open_file() {
  std::string name = directory() + "/hoptap-XXXXXX";
  file_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file_ < 0) return failed("make");
  ::unlink(name.c_str());  // goes away with the process, whatever ends it
  return {};
}

base::Outcome<void> GroupStore::write(const Chunk& chunk) {
  std::array<std::uint8_t, kHeaderBytes> header{};
  store_le(kMagic, 4, header.data());
  store_le(chunk.groups, 4, header.data() + 4);
  store_le(chunk.bytes.size(), 4, header.data() + 8);
  store_le(base::hash_bytes(chunk.bytes), 8, header.data() + 12);
  const bool written =
      write_all(file_, header, file_bytes_) && write_all(file_, chunk.bytes, file_bytes_ + kHeaderBytes);
  if (!written) return failed("write");
  file_bytes_ += kHeaderBytes + chunk.bytes.size();
  return {};
}

base::Outcome<void> GroupStore::read(std::uint64_t& offset, Chunk& chunk) const {
  std::array<std::uint8_t, kHeaderBytes> header{};
  if (!read_all(file_, header, offset)) return failed("read");
  const base::Bytes fields(header);
  const std::uint64_t bytes = base::load_le(fields.subspan(8, 4));
  const bool sane = base::load_le(fields.first(4)) == kMagic && bytes <= file_bytes_ - offset - kHeaderBytes;
  if (sane) {
    chunk.groups = static_cast<std::uint32_t>(base::load_le(fields.subspan(4, 4)));
    chunk.bytes.resize(bytes);
    if (!read_all(file_, chunk.bytes, offset + kHeaderBytes)) return failed("read");
  }
  if (!sane || base::hash_bytes(chunk.bytes) != base::load_le(fields.subspan(12, 8))) {
    return tl::unexpected(base::Failure{"the temporary file in " + directory() +
                                        " does not hold what was written to it; the disk may be failing"});
  }
  offset += kHeaderBytes + bytes;
  return {};
}

base::Outcome<void> GroupStore::for_each(const std::function<void(linker::Group&&)>& take) {
  const auto give_chunk = [&](const Chunk& chunk) -> base::Outcome<void> {
    if (const char* wrong = give(chunk.bytes, chunk.groups, take)) return tl::unexpected(base::Failure{wrong});
    return {};
  };
  Chunk chunk;
  for (std::uint64_t offset = 0; offset < file_bytes_;) {
    if (base::Outcome<void> got = read(offset, chunk); !got) return got;
    if (base::Outcome<void> given = give_chunk(chunk); !given) return given;
  }
  for (const Chunk& kept : in_memory_) {
    if (base::Outcome<void> given = give_chunk(kept); !given) return given;
  }
  return give_chunk(current_);
}

}  // namespace hoptap::exporting
