// A UDP header where it lies (RFC 768). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class UdpView {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  /// A length of 0 (jumbograms, RFC 2675, and sender offload) or beyond the IP packet is taken as the
  /// IP packet's.
  [[nodiscard]] static base::Result<UdpView> parse(const Slice& datagram) {
    if (!datagram.has(kHeaderBytes)) return tl::unexpected(datagram.missing(kHeaderBytes));
    const std::size_t length = be16(datagram.bytes, 4);
    if (length == 0 || length > datagram.wire_bytes) return UdpView(datagram);
    if (length < kHeaderBytes) return tl::unexpected(base::Error::kBadLength);
    return UdpView(datagram.first(length));
  }

  std::uint16_t source_port() const { return be16(datagram_.bytes, 0); }
  std::uint16_t target_port() const { return be16(datagram_.bytes, 2); }
  std::uint16_t checksum() const { return be16(datagram_.bytes, 6); }
  Slice payload() const { return datagram_.behind(kHeaderBytes); }

 private:
  explicit UdpView(const Slice& datagram) : datagram_(datagram) {}

  Slice datagram_;
};

}  // namespace hoptap::decode
