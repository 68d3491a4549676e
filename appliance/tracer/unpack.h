// A batch as it came, to records. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "export/wire/batch.h"

namespace hoptap::appliance {

/// @param coding  "zstd" or "identity"
[[nodiscard]] inline base::Outcome<exporting::Batch> unpack(std::string_view coding, std::string_view payload) {
  if (coding == "identity") return exporting::decode_batch(payload);
  if (coding != "zstd")
    return tl::unexpected(base::Failure{"the coding '" + std::string(coding) + "' is not known here"});
  const auto bytes = exporting::decompress(payload, exporting::batch_limit::kBatchBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  return exporting::decode_batch(*bytes);
}

}  // namespace hoptap::appliance
