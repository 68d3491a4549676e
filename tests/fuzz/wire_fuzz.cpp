// Any bytes as a record batch, as they are, unpacked, and as damage to a sound batch: refused in words, or read; what
// was read comes back the same when it is written again. And packing gives any bytes back.
#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "export/wire/batch.h"
#include "flowtable/record_codec.h"
#include "tests/unit/wire_records.h"

namespace {

using namespace hoptap;

constexpr std::size_t kUnpackedBytesMax = 1u << 20;
constexpr std::size_t kTextBytesMax = 4u << 20;  ///< written again only below: the fuzzer's time is for small ones

void require(bool condition) {
  if (!condition) std::abort();
}

/// The same twice means the same fields: a batch has one encoding.
void check(std::string_view bytes) {
  const auto batch = exporting::decode_batch(bytes);
  if (!batch) {
    require(!batch.error().what.empty());
    return;
  }
  std::size_t text = 0;
  for (const flowtable::HopRecord& hop : batch->hops) text += exporting::text_bytes(hop);
  if (text > kTextBytesMax) return;
  const std::string written = exporting::encode_batch(*batch);
  const auto again = exporting::decode_batch(written);
  require(again.has_value());
  require(again->points == batch->points);
  require(again->hops.size() == batch->hops.size() && again->legs.size() == batch->legs.size());
  require(again->metrics.size() == batch->metrics.size());
  std::vector<std::uint8_t> before;
  std::vector<std::uint8_t> after;
  for (const flowtable::HopRecord& hop : batch->hops) flowtable::encode(hop, before);
  for (const flowtable::HopRecord& hop : again->hops) flowtable::encode(hop, after);
  require(before == after);
  require(exporting::encode_batch(*again) == written);
}

/// A batch as a probe writes it, with a few bytes changed, doubled or taken out: gets far where plain bytes do not.
std::string damaged_batch(base::Bytes bytes) {
  base::ByteCursor in(bytes);
  std::string batch = exporting::encode_batch(in.u16() % 2 == 0 ? test::any_batch_with_metrics(in.u16())
                                                                : test::any_batch_with_processes(in.u16()));
  while (in.rest().size() >= 4 && !batch.empty()) {
    const std::size_t at = in.u16() % batch.size();
    const std::uint8_t how = in.u8();
    const char byte = static_cast<char>(in.u8());
    if (how < 200) batch[at] = byte;
    if (how >= 200 && how < 230) batch.insert(at, 1, byte);
    if (how >= 230) batch.erase(at, 1);
  }
  return batch;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = base::as_text({data, size});
  check(bytes);
  const auto unpacked = exporting::decompress(bytes, kUnpackedBytesMax);
  if (unpacked) check(*unpacked);
  const auto packed = exporting::decompress(exporting::compress(bytes, 1), size);
  require(packed.has_value() && *packed == bytes);
  check(damaged_batch({data, size}));
  return 0;
}
