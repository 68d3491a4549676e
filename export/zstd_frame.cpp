#include "export/zstd_frame.h"

#include <zstd.h>

#include <memory>
#include <new>

namespace hoptap::exporting {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

base::Failure failure(std::string what) { return {"compressed bytes: " + std::move(what)}; }

}  // namespace

std::string compress(std::string_view bytes, int level) {
  static thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context;  // its tables take longer to make than to use
  if (context == nullptr) context.reset(ZSTD_createCCtx());
  if (context == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compress2(context.get(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) throw std::bad_alloc();  // with room enough nothing else can fail
  out.resize(size);
  return out;
}

base::Outcome<std::string> decompress(std::string_view bytes, std::size_t bytes_max) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return tl::unexpected(failure("not zstd"));
  if (size == ZSTD_CONTENTSIZE_UNKNOWN) return tl::unexpected(failure("the frame does not say its size"));
  if (size > bytes_max)
    return tl::unexpected(
        failure(std::to_string(size) + " bytes, more than the " + std::to_string(bytes_max) + " allowed"));
  const std::size_t frame_bytes = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame_bytes) != 0) return tl::unexpected(failure(ZSTD_getErrorName(frame_bytes)));
  if (frame_bytes != bytes.size()) return tl::unexpected(failure("bytes behind the frame"));
  std::string out(static_cast<std::size_t>(size), '\0');
  const std::size_t written = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(written) != 0) return tl::unexpected(failure(ZSTD_getErrorName(written)));
  if (written != out.size()) return tl::unexpected(failure("shorter than it says"));
  return out;
}

}  // namespace hoptap::exporting
