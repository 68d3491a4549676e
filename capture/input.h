// The bytes of a file, pipe or compressed stream as a window that moves forward. Private to capture/.
// The input owns the bytes. Used by one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "capture/source.h"

namespace hoptap::capture {

class Input {
 public:
  Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input() = default;

  /// The bytes at hand, from the first one not consumed on. Stay where they are until refill().
  base::Bytes window() const { return window_; }

  /// Moves past `count` bytes. May be more than window() holds: the surplus is skipped as it arrives.
  void consume(std::size_t count) {
    const std::size_t at_hand = std::min(count, window_.size());
    window_ = window_.subspan(at_hand);
    consumed_bytes_ += at_hand;
    skip_bytes_ += count - at_hand;
  }

  /// Makes window() at least `need` bytes long. False when the input ends before that: window() then
  /// holds what there is, and error() says why if that was too early.
  virtual bool refill(std::size_t need) = 0;

  /// Tells that no byte handed out so far is in use any more.
  virtual void release() {}

  virtual SourceProgress progress() const = 0;

  /// Why the bytes ended before their time; "" when they did not.
  virtual std::string error() const { return {}; }

  std::uint64_t consumed_bytes() const { return consumed_bytes_; }  ///< that is, the offset of window()
  bool is_skipping() const { return skip_bytes_ > 0; }              ///< consume() went past what has come yet

 protected:
  base::Bytes window_;
  std::uint64_t consumed_bytes_ = 0;
  std::size_t skip_bytes_ = 0;
};

/// Bytes that are all in memory. Borrows them.
class MemoryInput : public Input {
 public:
  explicit MemoryInput(base::Bytes bytes) : total_bytes_(bytes.size()) { window_ = bytes; }

  bool refill(std::size_t need) override { return window_.size() >= need; }
  SourceProgress progress() const override { return {.done_bytes = consumed_bytes_, .total_bytes = total_bytes_}; }

 private:
  std::size_t total_bytes_;
};

/// A regular file, mapped. Pages already read are let go, so resident memory does not grow with the
/// file. The file must not be shortened while it is read: the kernel then ends the process (SIGBUS).
class MappedInput final : public MemoryInput {
 public:
  /// Maps the first `bytes` (> 0) of an open file; null when the kernel refuses. Does not keep `fd`.
  static std::unique_ptr<Input> map(int fd, std::size_t bytes);
  ~MappedInput() override;

  void release() override;

 private:
  explicit MappedInput(std::span<std::uint8_t> mapping) : MemoryInput(mapping), mapping_(mapping) {}

  std::span<std::uint8_t> mapping_;
  std::size_t released_bytes_ = 0;
};

/// Bytes that come piece by piece and are buffered. The buffer grows to the largest refill() asked for.
class StreamInput : public Input {
 public:
  bool refill(std::size_t need) final;

 protected:
  /// Writes the next bytes to the front of `room` (never empty) and returns how many; 0: ended. Is not
  /// called again after that.
  virtual std::size_t produce(std::span<std::uint8_t> room) = 0;

 private:
  void make_room(std::size_t need);

  std::vector<std::uint8_t> buffer_;
  std::size_t filled_bytes_ = 0;
  bool ended_ = false;
};

/// A pipe, a device, standard input. Closes the descriptor unless it is standard input.
class DescriptorInput final : public StreamInput {
 public:
  explicit DescriptorInput(int fd) : fd_(fd) {}
  ~DescriptorInput() override;

  SourceProgress progress() const override { return {.done_bytes = read_bytes_, .total_bytes = 0}; }
  std::string error() const override { return error_; }

 protected:
  std::size_t produce(std::span<std::uint8_t> room) override;

 private:
  int fd_;
  std::uint64_t read_bytes_ = 0;
  std::string error_;
};

/// Opens `path` ("-": standard input) for reading: mapped when that is possible.
[[nodiscard]] base::Outcome<std::unique_ptr<Input>> open_path(const std::string& path);

}  // namespace hoptap::capture
