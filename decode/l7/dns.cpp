// DNS over UDP and TCP (RFC 1035 section 4), mDNS (RFC 6762) and LLMNR (RFC 4795): the header and the
// first question. Answers are paired by message id.
#include <algorithm>

#include "decode/l7/parser.h"

namespace hoptap::decode::l7 {
namespace {

using base::as_text;
using base::ByteCursor;
using base::Bytes;

constexpr std::uint16_t kDnsPort = 53, kMdnsPort = 5353, kLlmnrPort = 5355;
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kPointerJumpsMax = 16;  // a legal name needs fewer; more is a loop

struct TypeName {
  std::uint16_t type;
  std::string_view name;
};
// https://www.iana.org/assignments/dns-parameters, the types seen in practice
constexpr std::array kTypeNames = {
    TypeName{1, "A"},      TypeName{2, "NS"},     TypeName{5, "CNAME"},  TypeName{6, "SOA"},    TypeName{12, "PTR"},
    TypeName{13, "HINFO"}, TypeName{15, "MX"},    TypeName{16, "TXT"},   TypeName{28, "AAAA"},  TypeName{33, "SRV"},
    TypeName{35, "NAPTR"}, TypeName{41, "OPT"},   TypeName{43, "DS"},    TypeName{46, "RRSIG"}, TypeName{48, "DNSKEY"},
    TypeName{64, "SVCB"},  TypeName{65, "HTTPS"}, TypeName{251, "IXFR"}, TypeName{252, "AXFR"}, TypeName{255, "ANY"},
    TypeName{257, "CAA"},
};
constexpr std::array<std::string_view, 7> kOpcodeNames{"QUERY", "IQUERY", "STATUS", "", "NOTIFY", "UPDATE", "DSO"};

bool is_dns_port(std::uint16_t port) { return port == kDnsPort || port == kMdnsPort || port == kLlmnrPort; }

/// Writes decimal digits; returns how many.
std::size_t put_number(std::uint32_t value, std::span<std::uint8_t> out) {
  std::array<std::uint8_t, 10> digits{};
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<std::uint8_t>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  std::reverse_copy(digits.begin(), digits.begin() + static_cast<std::ptrdiff_t>(count), out.begin());
  return count;
}

/// Appends a label to the name in `out`; bytes that are not printable are replaced by '?'.
bool put_label(Bytes label, std::span<std::uint8_t> out, std::size_t& used) {
  if (used + label.size() + 1 > out.size()) return false;
  if (used > 0) out[used++] = '.';
  for (const std::uint8_t byte : label) out[used++] = byte > 0x20 && byte < 0x7f ? byte : std::uint8_t{'?'};
  return true;
}

/// Reads a possibly compressed name (RFC 1035 section 4.1.4) as dotted text into `out`.
/// @return bytes the name takes at `at`, 0 when it is malformed; `text_bytes` gets the text's length.
std::size_t read_name(Bytes message, std::size_t at, std::span<std::uint8_t> out, std::size_t& text_bytes) {
  const std::size_t start = at;
  std::size_t taken = 0;
  std::size_t jumps = 0;
  text_bytes = 0;
  while (at < message.size()) {
    const std::uint8_t length = message[at];
    if (length == 0) return taken > 0 ? taken : at + 1 - start;
    if (length >= 0xc0) {
      if (at + 1 >= message.size() || ++jumps > kPointerJumpsMax) return 0;
      if (taken == 0) taken = at + 2 - start;
      at = (length & 0x3fu) << 8 | message[at + 1];
      continue;
    }
    if (length > 63 || at + 1 + length > message.size()) return 0;
    if (!put_label(message.subspan(at + 1, length), out, text_bytes)) return 0;
    at += 1u + length;
  }
  return 0;
}

Bytes opcode_name(std::uint8_t opcode) {
  return opcode < kOpcodeNames.size() ? base::as_bytes(kOpcodeNames[opcode]) : Bytes{};
}

/// The type's mnemonic, or "TYPE<n>" (RFC 3597) written to `scratch`.
Bytes type_name(std::uint16_t type, std::span<std::uint8_t> scratch) {
  for (const TypeName& known : kTypeNames)
    if (known.type == type) return base::as_bytes(known.name);
  constexpr std::string_view kPrefix = "TYPE";
  std::copy(kPrefix.begin(), kPrefix.end(), scratch.begin());
  return scratch.first(kPrefix.size() + put_number(type, scratch.subspan(kPrefix.size())));
}

/// Does a header say what DNS messages say? One question at most in a query (RFC 9619; mDNS may ask
/// more), and one without a question only when it carries something else. `header` may be longer.
bool plausible_header(Bytes header) {
  constexpr std::uint16_t kQuestionsMax = 64;
  ByteCursor in(header);
  in.u16();
  const std::uint16_t flags = in.u16(), questions = in.u16(), answers = in.u16(), authorities = in.u16(),
                      additional = in.u16();
  if (!in.ok() || opcode_name(static_cast<std::uint8_t>(flags >> 11 & 0xf)).empty()) return false;
  const bool is_response = (flags & 0x8000) != 0;
  return questions <= kQuestionsMax && (is_response || questions + answers + authorities + additional > 0);
}

/// Fills `out` from one whole DNS message.
bool read_message(Bytes message, Message& out) {
  ByteCursor in(message);
  const std::uint16_t id = in.u16(), flags = in.u16(), questions = in.u16();
  if (!plausible_header(message)) return false;
  const bool is_response = (flags & 0x8000) != 0;
  out.kind = is_response ? Kind::kResponse : Kind::kRequest;
  out.key = id;
  out.status = flags & 0xf;
  out.has_status = is_response;
  out.method = opcode_name(static_cast<std::uint8_t>(flags >> 11 & 0xf));
  out.head_bytes = message.size();
  if (questions == 0) return true;
  constexpr std::size_t kTypeScratchBytes = 16;
  const auto name_space = std::span(out.text).first(out.text.size() - kTypeScratchBytes);
  std::size_t name_bytes = 0;
  const std::size_t taken = read_name(message, kHeaderBytes, name_space, name_bytes);
  if (taken == 0) return false;
  ByteCursor question(message.subspan(kHeaderBytes + taken));
  const std::uint16_t type = question.u16();
  question.u16();
  if (!question.ok() || type == 0) return false;
  out.resource = name_bytes > 0 ? Bytes(name_space.first(name_bytes)) : base::as_bytes(".");
  out.endpoint = type_name(type, std::span(out.text).last(kTypeScratchBytes));
  return true;
}

/// Plausible header on a port that is not DNS's own: a standard query or answer with one question.
bool looks_like_dns(Bytes message) {
  ByteCursor in(message);
  in.u16();
  const std::uint16_t flags = in.u16(), questions = in.u16(), answers = in.u16(), authorities = in.u16();
  in.u16();
  if (!in.ok() || (flags & 0x7800) != 0 || (flags & 0x0040) != 0 || questions != 1) return false;
  if ((flags & 0x8000) == 0 && (answers != 0 || authorities != 0)) return false;
  Message scratch;
  return read_message(message, scratch);
}

/// Strict, for ports that are not DNS's own (a NodePort, say): a whole query or answer about a host's
/// address. NetBIOS names (RFC 1002) share the header, not the types.
bool is_address_lookup(Bytes message) {
  if (!looks_like_dns(message)) return false;
  Message lookup;
  return read_message(message, lookup) && (as_text(lookup.endpoint) == "A" || as_text(lookup.endpoint) == "AAAA");
}

Probe probe_udp(Bytes first, Direction, std::uint16_t server_port) {
  if (!is_dns_port(server_port)) return is_address_lookup(first) ? Probe::kYes : Probe::kNo;
  Message scratch;
  return read_message(first, scratch) ? Probe::kYes : Probe::kNo;
}

ParseStep parse_udp(Bytes datagram, Direction, ParserState&, Message& out) {
  if (!read_message(datagram, out)) return {Step::kInvalid};
  return {Step::kMessage, datagram.size()};
}

Probe probe_tcp(Bytes first, Direction direction, std::uint16_t server_port) {
  ByteCursor in(first);
  const std::size_t length = in.u16();
  if (in.ok() && length < kHeaderBytes) return Probe::kNo;
  if (server_port == kDnsPort) {
    if (first.size() < 2 + kHeaderBytes) return Probe::kMaybe;
    if (!plausible_header(in.rest())) return Probe::kNo;
    const bool is_response = (first[4] & 0x80) != 0;
    return is_response == (direction == Direction::kToClient) ? Probe::kYes : Probe::kNo;
  }
  if (!in.ok() || in.rest().size() != length) return Probe::kNo;  // elsewhere only one whole, exact message
  return looks_like_dns(in.rest()) ? Probe::kYes : Probe::kNo;
}

ParseStep parse_tcp(Bytes stream, Direction, ParserState&, Message& out) {
  constexpr std::size_t kLengthBytes = 2;  // RFC 1035 section 4.2.2
  ByteCursor in(stream);
  const std::size_t length = in.u16();
  if (!in.ok()) return {Step::kNeedMore};
  if (length < kHeaderBytes) return {Step::kInvalid};
  if (in.rest().size() < length) return {Step::kNeedMore};
  if (!read_message(in.rest().first(length), out)) return {Step::kInvalid};
  out.head_bytes += kLengthBytes;
  return {Step::kMessage, kLengthBytes + length};
}

std::size_t resync_tcp(Bytes stream, Direction, ParserState&) {
  constexpr std::size_t kLeastBytes = 2 + kHeaderBytes;
  for (std::size_t at = 0; at + kLeastBytes <= stream.size(); ++at) {
    const std::size_t length = base::load_be(stream.subspan(at, 2));
    if (length >= kHeaderBytes && at + 2 + length <= stream.size() && looks_like_dns(stream.subspan(at + 2, length)))
      return at;
  }
  return stream.size();
}

std::size_t resync_udp(Bytes datagram, Direction, ParserState&) { return datagram.size(); }

}  // namespace

extern constinit const Parser kDnsTcpParser{"dns", Pairing::kKey, false, probe_tcp, parse_tcp, resync_tcp};
extern constinit const Parser kDnsUdpParser{"dns", Pairing::kKey, true, probe_udp, parse_udp, resync_udp};

}  // namespace hoptap::decode::l7
