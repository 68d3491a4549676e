// TCP headers and their options. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/decoded.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// A TCP header where it lies (RFC 9293 section 3.1). Borrows the packet. parse() is the only way to
/// make one, so no getter can read out of bounds.
class TcpView {
 public:
  static constexpr std::size_t kHeaderBytesMin = 20;

  /// A capture that ends within the options still gives a view: options() is what there is of them.
  [[nodiscard]] static base::Result<TcpView> parse(const Slice& segment) {
    if (!segment.has(kHeaderBytesMin)) return tl::unexpected(segment.missing(kHeaderBytesMin));
    const std::size_t header_bytes = (segment.bytes[12] >> 4) * 4u;
    if (header_bytes < kHeaderBytesMin || header_bytes > segment.wire_bytes) {
      return tl::unexpected(base::Error::kBadLength);
    }
    return TcpView(segment, header_bytes);
  }

  std::uint16_t source_port() const { return be16(segment_.bytes, 0); }
  std::uint16_t target_port() const { return be16(segment_.bytes, 2); }
  std::uint32_t sequence() const { return be32(segment_.bytes, 4); }
  std::uint32_t acknowledgment() const { return be32(segment_.bytes, 8); }
  std::uint8_t flags() const { return segment_.bytes[13]; }
  std::uint16_t window() const { return be16(segment_.bytes, 14); }
  std::uint16_t checksum() const { return be16(segment_.bytes, 16); }
  base::Bytes options() const { return segment_.first(header_bytes_).bytes.subspan(kHeaderBytesMin); }
  Slice payload() const { return segment_.after(header_bytes_); }

 private:
  TcpView(const Slice& segment, std::size_t header_bytes) : segment_(segment), header_bytes_(header_bytes) {}

  Slice segment_;
  std::size_t header_bytes_;
};

/// What nearly every segment of nearly every connection has: two bytes of padding, kind and length of timestamps (RFC
/// 7323 appendix A).
inline constexpr std::uint32_t kPaddedTimestamps = 0x0101080a;

/// Reads the options that matter from tcp.options into tcp. An option whose length cannot be ends it.
void read_tcp_options(Tcp& tcp);

}  // namespace hoptap::decode
