#include "capture/decompress.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <limits>
#include <new>
#include <utility>

namespace hoptap::capture {
namespace {

/// What gzip and zstd have in common: a packed input below, and a reason for an early end.
class UnpackedInput : public StreamInput {
 public:
  explicit UnpackedInput(std::unique_ptr<Input> packed) : packed_(std::move(packed)) {}

  void release() override { packed_->release(); }
  SourceProgress progress() const override { return packed_->progress(); }
  std::string error() const override { return error_; }

 protected:
  std::size_t produce(std::span<std::uint8_t> room) final { return error_.empty() ? unpack(room) : 0; }

  /// produce(), until something failed: what came before that is still given.
  virtual std::size_t unpack(std::span<std::uint8_t> room) = 0;

  /// Packed bytes; empty when there are none left.
  base::Bytes packed_bytes() {
    if (packed_->window().empty()) packed_->refill(1);
    return packed_->window();
  }

  void fail(std::string_view why) {
    error_ = fmt::format("the compressed data is damaged after byte {}: {}", packed_->consumed_bytes(), why);
  }

  void fail_cut() {
    error_ = packed_->error();
    if (error_.empty()) error_ = "the compressed data is cut off";
  }

  std::unique_ptr<Input> packed_;
  std::string error_;
};

class GzipInput final : public UnpackedInput {
 public:
  explicit GzipInput(std::unique_ptr<Input> packed) : UnpackedInput(std::move(packed)) {
    constexpr int kGzipOnly = 16;  // zlib.h, inflateInit2
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipInput() override { inflateEnd(&stream_); }

 protected:
  std::size_t unpack(std::span<std::uint8_t> room) override {
    stream_.next_out = room.data();
    stream_.avail_out = clamp(room.size());
    const uInt room_bytes = stream_.avail_out;
    while (stream_.avail_out == room_bytes) {
      const base::Bytes packed = packed_bytes();
      if (packed.empty()) {
        if (in_member_) fail_cut();
        break;
      }
      if (!in_member_ && !begin_member(packed)) break;
      stream_.next_in = const_cast<Bytef*>(packed.data());  // zlib does not write to it
      stream_.avail_in = clamp(packed.size());
      const uInt given_bytes = stream_.avail_in;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      packed_->consume(given_bytes - stream_.avail_in);
      if (status == Z_STREAM_END) {
        in_member_ = false;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail(stream_.msg != nullptr ? stream_.msg : "not gzip");
        break;
      }
    }
    return room_bytes - stream_.avail_out;
  }

 private:
  static uInt clamp(std::size_t bytes) {
    return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
  }

  /// Zero padding after the last member (tapes, block devices) is no error, other bytes are.
  bool begin_member(base::Bytes packed) {
    if (packed[0] == 0) return false;
    if (packed[0] != 0x1f) {
      fail("what follows is not gzip");
      return false;
    }
    inflateReset(&stream_);
    in_member_ = true;
    return true;
  }

  z_stream stream_{};
  bool in_member_ = false;
};

class ZstdInput final : public UnpackedInput {
 public:
  explicit ZstdInput(std::unique_ptr<Input> packed)
      : UnpackedInput(std::move(packed)), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }

 protected:
  std::size_t unpack(std::span<std::uint8_t> room) override {
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    while (out.pos == 0) {
      const base::Bytes packed = packed_bytes();
      if (packed.empty() && !has_more_) {
        if (in_frame_) fail_cut();
        break;
      }
      // No more than it asks for, which is a header, a block or a checksum: given more, it fails without handing out
      // the good blocks before a bad one.
      ZSTD_inBuffer in{packed.data(), std::min(packed.size(), asked_bytes_), 0};
      const std::size_t status = ZSTD_decompressStream(stream_.get(), &out, &in);
      packed_->consume(in.pos);
      if (ZSTD_isError(status) != 0) {
        fail(ZSTD_getErrorName(status));
        break;
      }
      in_frame_ = status != 0;
      if (in.pos == in.size) asked_bytes_ = in_frame_ ? status : kFrameHeaderBytesMin;
      has_more_ = in_frame_ && out.pos == out.size;  // the decoder holds back what had no room
    }
    return out.pos;
  }

 private:
  static constexpr std::size_t kFrameHeaderBytesMin = 5;  // RFC 8878 section 3.1.1.1, with the magic number

  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_;
  std::size_t asked_bytes_ = kFrameHeaderBytesMin;
  bool in_frame_ = false;
  bool has_more_ = false;
};

}  // namespace

std::unique_ptr<Input> open_gzip(std::unique_ptr<Input> packed) {
  return std::make_unique<GzipInput>(std::move(packed));
}

std::unique_ptr<Input> open_zstd(std::unique_ptr<Input> packed) {
  return std::make_unique<ZstdInput>(std::move(packed));
}

}  // namespace hoptap::capture
