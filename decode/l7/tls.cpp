// TLS by its records (RFC 8446 section 5.1, RFC 5246 section 6.2): content type, version, length. What
// is inside stays sealed, but for the server name in the first client message (RFC 6066 section 3).
#include <algorithm>

#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {
namespace {

using base::ByteCursor;
using base::Bytes;

constexpr std::size_t kHeaderBytes = 5;
constexpr std::size_t kFragmentBytesMax = (1u << 14) + 2048;  // RFC 5246: TLSCiphertext
constexpr std::uint8_t kChangeCipherSpec = 20, kAlert = 21, kHandshakeType = 22, kApplicationData = 23, kHeartbeat = 24;
constexpr std::uint8_t kClientHello = 1;
constexpr std::size_t kPlainAlertBytes = 2;  // RFC 8446 section 6: level and description
constexpr std::uint8_t kFatal = 2;

bool is_record(std::uint8_t type, std::uint16_t version, std::size_t length) {
  return type >= kChangeCipherSpec && type <= kHeartbeat && version >= 0x0300 && version <= 0x0304 && length > 0 &&
         length <= kFragmentBytesMax;
}

/// The host_name of a ClientHello, or nothing. `hello` begins at the handshake header.
Bytes server_name(Bytes hello) {
  constexpr std::uint16_t kServerNameExtension = 0;
  ByteCursor in(hello);
  in.take(4 + 2 + 32);  // type, length, version, random
  in.take(in.u8());     // session id
  in.take(in.u16());    // cipher suites
  in.take(in.u8());     // compression methods
  in.u16();             // length of the extensions
  while (in.ok() && !in.rest().empty()) {
    const std::uint16_t type = in.u16();
    ByteCursor extension(in.take(in.u16()));
    if (type != kServerNameExtension) continue;
    extension.u16();  // list length
    const std::uint8_t name_type = extension.u8();
    const Bytes name = extension.take(extension.u16());
    return name_type == 0 && extension.ok() ? name : Bytes{};
  }
  return {};
}

Probe probe(Bytes first, Direction, std::uint16_t) {
  ByteCursor in(first);
  const std::uint8_t type = in.u8();
  const std::uint8_t major = in.u8();
  if (type < kChangeCipherSpec || type > kApplicationData || (first.size() > 1 && major != 3)) return Probe::kNo;
  const std::uint8_t minor = in.u8();
  const std::uint16_t length = in.u16();
  if (!in.ok()) return Probe::kMaybe;
  return is_record(type, static_cast<std::uint16_t>(major << 8 | minor), length) ? Probe::kYes : Probe::kNo;
}

ParseStep parse(Bytes stream, Direction direction, ParserState& state, Message& out) {
  ByteCursor in(stream);
  const std::uint8_t type = in.u8();
  const std::uint16_t version = in.u16();
  const std::size_t length = in.u16();
  if (!in.ok()) return {Step::kNeedMore};
  if (!is_record(type, version, length)) return {Step::kInvalid};
  const std::size_t consumed = kHeaderBytes + length;
  if (type == kAlert && length == kPlainAlertBytes && stream.size() == kHeaderBytes) return {Step::kNeedMore};
  const bool refusal = type == kAlert && length == kPlainAlertBytes && stream[kHeaderBytes] == kFatal;
  if ((type == kAlert && !refusal) || type == kHeartbeat) return {Step::kSkip, consumed};
  if (type == kHandshakeType) {
    const bool hello = stream.size() > kHeaderBytes && stream[kHeaderBytes] == kClientHello;
    const bool may_grow = !state.is_cut && (stream.size() == kHeaderBytes || (hello && stream.size() < consumed));
    if (may_grow) return {Step::kNeedMore};
    const Bytes body = stream.subspan(kHeaderBytes);
    if (hello) out.endpoint = server_name(body.first(std::min(body.size(), length)));
  }
  out.kind = direction == Direction::kToServer ? Kind::kRequest : Kind::kResponse;
  out.encrypted = true;
  out.handshake = type != kApplicationData;
  out.head_bytes = kHeaderBytes;
  return {Step::kMessage, consumed};
}

std::size_t resync(Bytes stream, Direction, ParserState&) {
  for (std::size_t at = 0; at < stream.size(); ++at) {
    if (stream[at] < kChangeCipherSpec || stream[at] > kApplicationData) continue;
    if (probe(stream.subspan(at), Direction::kToServer, 0) != Probe::kNo) return at;
  }
  return stream.size();
}

}  // namespace

extern constinit const Parser kTlsParser{"tls", Pairing::kTurn, false, probe, parse, resync};

}  // namespace hoptap::decode::l7
