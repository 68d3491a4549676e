// Every protocol, in probe order.
#include <array>

#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {

extern const Parser kTlsParser, kHttp1Parser, kDnsTcpParser, kDnsUdpParser;

std::span<const Parser* const> parsers() {
  static constexpr std::array<const Parser*, 4> kParsers{&kTlsParser, &kHttp1Parser, &kDnsTcpParser, &kDnsUdpParser};
  return kParsers;
}

}  // namespace hoptap::decode::l7
