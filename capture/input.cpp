#include "capture/input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

namespace hoptap::capture {
namespace {

constexpr std::size_t kReleaseBytes = 4u << 20;   // let go of pages in steps of this: one system call per 4 MiB
constexpr std::size_t kBufferBytes = 512u << 10;  // stays in a level-2 cache, yet holds some hundred packets

tl::unexpected<base::Failure> failure(std::string what) {
  return tl::unexpected(base::Failure{.what = std::move(what)});
}

}  // namespace

std::unique_ptr<Input> MappedInput::map(int fd, std::size_t bytes) {
  void* const start = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) return nullptr;
  madvise(start, bytes, MADV_SEQUENTIAL);
  return std::unique_ptr<Input>(new MappedInput({static_cast<std::uint8_t*>(start), bytes}));
}

MappedInput::~MappedInput() { munmap(mapping_.data(), mapping_.size()); }

void MappedInput::release() {
  const std::size_t behind = static_cast<std::size_t>(consumed_bytes_) / kReleaseBytes * kReleaseBytes;
  if (behind == released_bytes_) return;
  // The pages stay in the page cache; a byte still borrowed would be read again, not lost.
  madvise(mapping_.data() + released_bytes_, behind - released_bytes_, MADV_DONTNEED);
  released_bytes_ = behind;
}

void StreamInput::make_room(std::size_t need) {
  const std::size_t kept = window_.size();
  const std::size_t wanted = std::max(need, kBufferBytes);
  if (wanted > buffer_.size()) {
    std::vector<std::uint8_t> larger(wanted);
    std::copy(window_.begin(), window_.end(), larger.begin());
    buffer_.swap(larger);
  } else if (kept > 0) {
    std::memmove(buffer_.data(), window_.data(), kept);
  }
  filled_bytes_ = kept;
  window_ = {buffer_.data(), kept};
}

bool StreamInput::refill(std::size_t need) {
  if (skip_bytes_ == 0 && window_.size() >= need) return true;
  make_room(need);
  while (!ended_ && (skip_bytes_ > 0 || window_.size() < need)) {
    const std::span<std::uint8_t> room = std::span(buffer_).subspan(filled_bytes_);
    const std::size_t added = produce(room);
    assert(added <= room.size());
    ended_ = added == 0;
    if (skip_bytes_ > 0) {  // nothing before the skipped bytes is kept: the window is empty
      const std::size_t skipped = std::min(skip_bytes_, added);
      skip_bytes_ -= skipped;
      consumed_bytes_ += skipped;
      std::memmove(buffer_.data(), buffer_.data() + skipped, added - skipped);
      filled_bytes_ = added - skipped;
    } else {
      filled_bytes_ += added;
    }
    window_ = {buffer_.data(), filled_bytes_};
  }
  return skip_bytes_ == 0 && window_.size() >= need;
}

DescriptorInput::~DescriptorInput() {
  if (fd_ != STDIN_FILENO) close(fd_);
}

std::size_t DescriptorInput::produce(std::span<std::uint8_t> room) {
  ssize_t count = 0;
  do {
    count = read(fd_, room.data(), room.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) error_ = std::string("reading failed: ") + std::strerror(errno);
  if (count <= 0) return 0;
  read_bytes_ += static_cast<std::uint64_t>(count);
  return static_cast<std::size_t>(count);
}

base::Outcome<std::unique_ptr<Input>> open_path(const std::string& path) {
  const bool is_standard_input = path == "-";
  const int fd = is_standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failure(std::strerror(errno));
  auto stream = std::make_unique<DescriptorInput>(fd);  // owns fd from here on

  struct stat status {};
  if (fstat(fd, &status) != 0) return failure(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return failure("is a directory, not a capture file");
  if (!S_ISREG(status.st_mode)) return stream;
  if (status.st_size == 0) return failure("is empty (0 bytes)");
  const bool at_start = !is_standard_input || lseek(fd, 0, SEEK_CUR) == 0;
  if (at_start) {
    if (auto mapped = MappedInput::map(fd, static_cast<std::size_t>(status.st_size))) return mapped;
  }
  return stream;
}

}  // namespace hoptap::capture
