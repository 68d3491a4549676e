#include "decode/ip/extensions.h"

namespace hoptap::decode {
namespace {

using base::Error;
using base::Result;

constexpr std::size_t kHeaderBytesMin = 8;
constexpr int kHeadersMax = 8;

/// RFC 4302 section 2.2: the length counts 4-byte words, less two.
std::size_t authentication_bytes(const Slice& slice) { return (slice.bytes[1] + 2u) * 4u; }

/// RFC 8200 section 4.2: the length counts 8-byte words, the first not included.
std::size_t extension_bytes(const Slice& slice) { return (slice.bytes[1] + 1u) * 8u; }

/// RFC 8200 section 4.5: the offset in the upper 13 bits, "more follow" in the last.
bool is_part(const Slice& slice) {
  constexpr std::uint16_t kOffsetAndMore = 0xfff9;
  return (be16(slice.bytes, 2) & kOffsetAndMore) != 0;
}

}  // namespace

Result<TransportPacket> read_extensions(std::uint8_t protocol, Slice slice) {
  for (int headers = 0; is_extension(protocol); ++headers) {
    if (headers == kHeadersMax) return tl::unexpected(Error::kUnsupported);
    if (!slice.has(kHeaderBytesMin)) return tl::unexpected(slice.missing(kHeaderBytesMin));
    const std::uint8_t next_protocol = slice.bytes[0];
    std::size_t header_bytes = extension_bytes(slice);
    if (protocol == ip_protocol::kAuthentication) header_bytes = authentication_bytes(slice);
    if (protocol == ip_protocol::kFragment) {
      header_bytes = kHeaderBytesMin;
      if (is_part(slice)) {
        const std::uint16_t offset_and_more = be16(slice.bytes, 2);
        return TransportPacket{.protocol = next_protocol,
                               .is_fragment = true,
                               .more_fragments = (offset_and_more & 1) != 0,
                               .fragment_offset = offset_and_more & 0xfff8u,
                               .fragment_id = be32(slice.bytes, 4),
                               .slice = slice.behind(header_bytes)};
      }
    }
    if (!slice.has(header_bytes)) return tl::unexpected(slice.missing(header_bytes));
    protocol = next_protocol;
    slice = slice.behind(header_bytes);
  }
  return TransportPacket{.protocol = protocol, .slice = slice};
}

}  // namespace hoptap::decode
