// HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112): heads are read, bodies are passed over by their framing.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "decode/l7/http1_chunks.h"
#include "decode/l7/parser.h"
#include "decode/l7/text_lines.h"

namespace hoptap::decode::l7 {
namespace {

using base::as_bytes;
using base::as_text;
using base::Bytes;

/// What a request says about the framing of its response (RFC 9112 section 6.3).
enum Hint : std::uint8_t { kPlain = 0, kHead = 1, kConnect = 2, kUpgrade = 3 };

/// Where one direction is inside the open message.
enum Place : std::uint8_t {
  kAtHead = 0,
  kInHead = 1,  ///< one that is not whole yet, and has been searched
  kInChunks = 2,
  kInTrailers = 3,
  kAwaitingUpgrade = 4,
};

std::uint8_t& place_of(ParserState& state, Direction direction) { return state.bytes[index_of(direction)]; }

/// What of a head or line that is not whole was searched already: one that comes byte by byte is not read again and
/// again.
struct Searched {
  std::uint32_t bytes : 31 = 0;
  std::uint32_t has_line : 1 = 0;  ///< its first line is among them
};

Searched searched_of(const ParserState& state, Direction direction) {
  Searched searched;
  std::memcpy(&searched, state.bytes.data() + 4 + 4 * index_of(direction), sizeof searched);
  return searched;
}

void set_searched(ParserState& state, Direction direction, std::size_t bytes, bool has_line) {
  const Searched searched{static_cast<std::uint32_t>(bytes & 0x7fffffff), has_line ? 1u : 0u};
  std::memcpy(state.bytes.data() + 4 + 4 * index_of(direction), &searched, sizeof searched);
}

constexpr std::array<std::string_view, 9> kMethods{"GET",     "POST",    "PUT",   "HEAD", "DELETE",
                                                   "OPTIONS", "CONNECT", "TRACE", "PATCH"};

constexpr std::array<bool, 256> kTokenChars = [] {  // RFC 9110 section 5.6.2
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  std::array<bool, 256> chars{};
  for (unsigned c = 0; c < chars.size(); ++c)
    chars[c] = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               kOthers.find(static_cast<char>(c)) != std::string_view::npos;
  return chars;
}();

/// How many characters of a token the text begins with.
std::size_t token_bytes(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && kTokenChars[static_cast<unsigned char>(text[count])]) ++count;
  return count;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

/// Is `item` a member of the comma-separated list (RFC 9110 section 5.6.1)?
bool list_contains(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trimmed(list.substr(0, comma)), item)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// The framing and identity headers of one head.
struct Fields {
  static constexpr std::uint64_t kNoLength = kToTheEnd;

  std::string_view host;
  std::uint64_t content_length = kNoLength;
  bool bad_length : 1 = false;
  bool chunked : 1 = false;
  bool transfer_encoded : 1 = false;
  bool upgrade : 1 = false;
};

/// Digits alone, as it nearly always is; else kNoLength.
std::uint64_t plain_length(std::string_view value) {
  constexpr std::size_t kDigitsMax = 18;
  if (value.empty() || value.size() > kDigitsMax) return Fields::kNoLength;
  std::uint64_t length = 0;
  for (const char c : value) {
    const auto digit = static_cast<std::uint8_t>(c - '0');
    if (digit > 9) return Fields::kNoLength;
    length = length * 10 + digit;
  }
  return length;
}

void read_content_length(std::string_view value, Fields& fields) {
  const std::uint64_t plain = plain_length(value);
  if (plain < kBodyBytesMax && fields.content_length == Fields::kNoLength) {
    fields.content_length = plain;
    return;
  }
  while (!value.empty()) {  // a list of equal values counts as one (RFC 9110 section 8.6)
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view item = trimmed(value.substr(0, comma));
    std::uint64_t length = 0;
    bool good = !item.empty();
    for (const char c : item) {
      good = good && c >= '0' && c <= '9' && length < kBodyBytesMax;
      if (good) length = length * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (!good || (fields.content_length != Fields::kNoLength && fields.content_length != length))
      fields.bad_length = true;
    fields.content_length = length;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
}

/// Some bytes, letters in lower case; what else changes are control characters and a few signs that no name has.
template <class Word>
Word lower_word(const char* text) {
  Word word = 0;
  std::memcpy(&word, text, sizeof word);
  return static_cast<Word>(word | static_cast<Word>(0x2020202020202020ULL));
}

/// Is that `name` (in lower case)? By words, the last of which may overlap the one before.
template <class Word>
bool is_name(const char* text, std::string_view name) {
  bool same = true;
  for (std::size_t at = 0; at < name.size(); at += sizeof(Word)) {
    const std::size_t from = std::min(at, name.size() - sizeof(Word));
    same = same && lower_word<Word>(text + from) == lower_word<Word>(name.data() + from);
  }
  return same;
}

/// Is this the field line of `name` (in lower case, at least two bytes)? Its value, then. The line may have its CR.
[[gnu::always_inline]] inline std::optional<std::string_view> value_of(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  const bool same = name.size() >= 8   ? is_name<std::uint64_t>(line.data(), name)
                    : name.size() >= 4 ? is_name<std::uint32_t>(line.data(), name)
                                       : is_name<std::uint16_t>(line.data(), name);
  if (!same) return std::nullopt;
  return trimmed(without_cr({line.data() + name.size() + 1, line.size() - name.size() - 1}));
}

void read_id(std::string_view line, std::string_view name, base::IdKind kind, Message& out) {
  const auto value = value_of(line, name);
  if (value && !value->empty() && out.id_count < Message::kIdsMax) out.ids[out.id_count++] = {kind, as_bytes(*value)};
}

/// What a line of a head may be by its first byte: most are told to be none of ours, and looked at no further.
enum class Begins : std::uint8_t { kOther, kEmpty, kB, kC, kH, kP, kS, kT, kU, kX };
constexpr std::array<Begins, 256> kBegins = [] {
  std::array<Begins, 256> table{};
  table['\r'] = table['\n'] = Begins::kEmpty;
  table['b'] = table['B'] = Begins::kB;
  table['c'] = table['C'] = Begins::kC;
  table['h'] = table['H'] = Begins::kH;
  table['p'] = table['P'] = Begins::kP;
  table['s'] = table['S'] = Begins::kS;
  table['t'] = table['T'] = Begins::kT;
  table['u'] = table['U'] = Begins::kU;
  table['x'] = table['X'] = Begins::kX;
  return table;
}();

/// Of a line where it lies, its end included.
Begins begins_with(const char* line) { return kBegins[static_cast<unsigned char>(*line)]; }

/// Takes what matters of a header's line, which may have its CR. @return is it the empty line that ends the head?
bool read_field(std::string_view line, Fields& fields, Message& out) {
  switch (begins_with(line.data())) {
    case Begins::kEmpty: return without_cr(line).empty();
    case Begins::kB: read_id(line, "b3", base::IdKind::kB3, out); break;
    case Begins::kC:
      if (const auto value = value_of(line, "content-length")) read_content_length(*value, fields);
      break;
    case Begins::kH:
      if (const auto value = value_of(line, "host"); value && fields.host.empty()) fields.host = *value;
      break;
    case Begins::kP: read_id(line, "pinpoint-traceid", base::IdKind::kPinpoint, out); break;
    case Begins::kS: read_id(line, "sw8", base::IdKind::kSw8, out); break;
    case Begins::kT:
      if (const auto value = value_of(line, "transfer-encoding")) {
        fields.transfer_encoded = true;
        fields.chunked = list_contains(*value, "chunked");
      }
      read_id(line, "traceparent", base::IdKind::kTraceParent, out);
      break;
    case Begins::kU:
      if (value_of(line, "upgrade")) fields.upgrade = true;
      read_id(line, "uber-trace-id", base::IdKind::kUberTraceId, out);
      break;
    case Begins::kX:
      read_id(line, "x-request-id", base::IdKind::kRequestId, out);
      read_id(line, "x-b3-traceid", base::IdKind::kB3, out);
      break;
    case Begins::kOther: break;
  }
  return false;
}

/// Reads header fields up to the empty line. @return false when the head is not whole yet.
bool read_fields(Lines& lines, Fields& fields, Message& out) {
  return lines.find([](const char* line) { return begins_with(line) != Begins::kOther; },
                    [&](std::string_view line) { return read_field(line, fields, out); });
}

/// Where " HTTP/1.x" begins that ends a request line; npos when something else ends it.
std::size_t version_at(std::string_view line) {
  constexpr std::string_view kVersion = " HTTP/1.";
  constexpr std::size_t kBlanksMax = 64;  // behind it; with more it is none
  for (std::size_t blanks = 0; blanks < kBlanksMax && !line.empty() && is_blank(line.back()); ++blanks)
    line.remove_suffix(1);
  if (line.size() <= kVersion.size() || line.back() < '0' || line.back() > '9') return std::string_view::npos;
  const std::size_t at = line.size() - 1 - kVersion.size();
  return line.substr(at).starts_with(kVersion) ? at : std::string_view::npos;
}

/// Splits "METHOD target HTTP/1.x". A missing version (HTTP/0.9) or target is not accepted.
bool read_request_line(std::string_view line, Message& out) {
  const std::size_t method_bytes = token_bytes(line);
  if (method_bytes == 0 || method_bytes == line.size() || line[method_bytes] != ' ') return false;
  const std::size_t version = version_at(line);
  if (version == std::string_view::npos || version <= method_bytes) return false;
  out.method = as_bytes({line.data(), method_bytes});
  out.resource = as_bytes(trimmed({line.data() + method_bytes + 1, version - method_bytes - 1}));
  return true;
}

constexpr std::size_t kStatusBytes = 12;  // of "HTTP/1.1 200"

/// The code of "HTTP/1.x NNN" at the beginning of the text, 0 when it does not begin so.
inline std::uint32_t code_at(std::string_view text) {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (text.size() < kStatusBytes || !text.starts_with(kVersion) || text[8] != ' ') return 0;
  const auto digit = [text](std::size_t at) { return static_cast<std::uint32_t>(text[at]) - '0'; };
  const std::uint32_t a = digit(9), b = digit(10), c = digit(11);
  return a > 9 || b > 9 || c > 9 ? 0 : a * 100 + b * 10 + c;
}

/// Reads "HTTP/1.x NNN reason" (the reason may be missing). @return the code, 0 when it is no status line.
std::uint32_t read_status_line(std::string_view line) {
  return line.size() > kStatusBytes && line[kStatusBytes] != ' ' ? 0 : code_at(line);
}

/// Could a status line begin so? Tells without looking for its end.
bool may_be_status_line(std::string_view text) {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (text.size() <= kStatusBytes) return kVersion.starts_with(text.substr(0, kVersion.size())) || text == "\r";
  const char behind = text[kStatusBytes];
  return (is_blank(behind) || behind == '\r' || behind == '\n') && code_at(text) != 0;
}

/// A message whose head was read whole, with `body_bytes` behind it.
ParseStep whole(const Message& message, std::uint64_t body_bytes) {
  return {Step::kMessage, body_bytes == kToTheEnd ? kToTheEnd : message.head_bytes + body_bytes};
}

ParseStep begin_chunks(ParserState& state, Direction direction, Message& out) {
  place_of(state, direction) = kInChunks;
  out.more = true;
  return whole(out, 0);
}

std::uint8_t hint_of(std::string_view method, const Fields& fields) {
  if (method == "HEAD") return kHead;
  if (method == "CONNECT") return kConnect;
  return fields.upgrade ? kUpgrade : kPlain;
}

/// The framing of a request (RFC 9112 section 6.3).
ParseStep frame_request(const Fields& fields, ParserState& state, Message& out) {
  out.kind = Kind::kRequest;
  out.endpoint = as_bytes(fields.host);
  out.hint = hint_of(as_text(out.method), fields);
  if (out.hint == kConnect || out.hint == kUpgrade) place_of(state, Direction::kToServer) = kAwaitingUpgrade;
  if (fields.chunked) return begin_chunks(state, Direction::kToServer, out);
  if (fields.bad_length) return whole(out, kToTheEnd);  // nobody can tell where it ends
  return whole(out, fields.content_length == Fields::kNoLength ? 0 : fields.content_length);
}

/// The framing of a response (RFC 9112 section 6.3).
ParseStep frame_response(const Fields& fields, ParserState& state, Message& out) {
  constexpr std::uint32_t kSwitchingProtocols = 101, kNoContent = 204, kNotModified = 304;
  out.has_status = true;
  out.kind = Kind::kResponse;
  const bool tunnel = state.hint == kConnect && out.status / 100 == 2;
  out.upgrades = out.status == kSwitchingProtocols || tunnel;
  if (out.upgrades) return whole(out, 0);
  if (out.status / 100 == 1) {
    out.kind = Kind::kInterim;
    return whole(out, 0);
  }
  if (place_of(state, Direction::kToServer) == kAwaitingUpgrade) place_of(state, Direction::kToServer) = kAtHead;
  if (state.hint == kHead || out.status == kNoContent || out.status == kNotModified) return whole(out, 0);
  if (fields.chunked) return begin_chunks(state, Direction::kToClient, out);
  if (fields.transfer_encoded || fields.bad_length) return whole(out, kToTheEnd);
  return whole(out, fields.content_length);  // without one to the end
}

ParseStep frame(const Fields& fields, Direction direction, ParserState& state, Message& out) {
  return direction == Direction::kToServer ? frame_request(fields, state, out) : frame_response(fields, state, out);
}

/// A head of which the rest was not captured. What follows an interim response begins where nobody can tell.
ParseStep frame_cut(const Fields& fields, Direction direction, ParserState& state, Message& out) {
  out.head_bytes = Message::kBeyond;
  frame(fields, direction, state, out);
  if (out.kind == Kind::kInterim) return {Step::kNeedMore};
  if (place_of(state, direction) == kInChunks) place_of(state, direction) = kAtHead;
  out.more = false;
  const std::string_view method = as_text(out.method);
  out.is_head = method == "GET" || method == "HEAD";
  return {Step::kMessage, kToTheTurn};
}

/// Could a message begin so, whose first line is not whole yet?
bool may_be_first_line(std::string_view text, Direction direction) {
  if (direction == Direction::kToClient) return may_be_status_line(text);
  return text.empty() || token_bytes(text.substr(0, 1)) == 1 || static_cast<unsigned char>(text[0]) <= ' ';
}

bool read_first_line(std::string_view line, Direction direction, Message& out) {
  if (direction == Direction::kToServer) return read_request_line(line, out);
  out.status = read_status_line(line);
  return out.status != 0;
}

/// Reads so much of "METHOD target HTTP/1.x" or "HTTP/1.x NNN reason" as was captured, of a method that is known: the
/// target may be the beginning of one.
bool read_cut_line(std::string_view text, Direction direction, Message& out) {
  if (direction == Direction::kToClient) {
    out.status = may_be_status_line(text) ? code_at(text) : 0;
    return out.status != 0;
  }
  constexpr std::string_view kVersion = " HTTP/1.", kScheme = "http";
  if (text.size() < kStatusBytes) return false;  // else the leg's answers, cut as short, would be none
  const std::string_view method = text.substr(0, token_bytes(text));
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end() || method.size() == text.size())
    return false;
  std::string_view target = text.substr(method.size() + 1);
  const std::size_t end = std::min(target.find(' '), target.size());
  const std::string_view behind = target.substr(end, kVersion.size());
  target = target.substr(0, end);
  if (text[method.size()] != ' ' || !kVersion.starts_with(behind)) return false;
  if (!target.starts_with('/') && !target.starts_with(kScheme)) return false;
  out.method = as_bytes(method);
  out.resource = as_bytes(target);
  return true;
}

/// A head from its first byte on.
ParseStep read_head(Bytes stream, Direction direction, ParserState& state, Message& out) {
  Lines lines(stream);
  const auto line = lines.next();
  if (!line && state.is_cut && state.is_segment && read_cut_line(as_text(stream), direction, out))
    return frame_cut({}, direction, state, out);
  if (!line) return {may_be_first_line(as_text(stream), direction) ? Step::kNeedMore : Step::kInvalid};
  if (!read_first_line(*line, direction, out)) return {Step::kInvalid};
  Fields fields;
  if (read_fields(lines, fields, out)) {
    out.head_bytes = lines.consumed();
    return frame(fields, direction, state, out);
  }
  if (!state.is_cut) return {Step::kNeedMore};
  return frame_cut(fields, direction, state, out);
}

/// Could more be said of a head than when it was searched last? Only once its first line or an empty line has ended.
bool head_has_grown(std::string_view head, const Searched& searched) {
  if (searched.bytes == 0 || searched.bytes > head.size()) return true;
  for (std::size_t end = head.find('\n', searched.bytes); end != std::string_view::npos;
       end = head.find('\n', end + 1)) {
    const std::size_t before = head[end - 1] == '\r' && end > 1 ? end - 2 : end - 1;
    if (head[before] == '\n' || searched.has_line == 0) return true;
  }
  return false;
}

/// Empty lines before a message (RFC 9112 section 2.2): how many bytes.
std::size_t empty_lines(Bytes stream) {
  if (!stream.empty() && stream[0] > '\r') return 0;
  Lines lines(stream);
  std::size_t empty = 0;
  for (auto line = lines.next(); line && line->empty(); line = lines.next()) empty = lines.consumed();
  return empty;
}

/// Elsewhere than at the beginning of a message. Nothing when a head is to be read from its beginning.
[[gnu::noinline]] std::optional<ParseStep> parse_on(Bytes stream, Direction direction, ParserState& state) {
  std::uint8_t& place = place_of(state, direction);
  const Searched searched = searched_of(state, direction);
  if (place == kAwaitingUpgrade) return ParseStep{Step::kNeedMore};
  if (place == kInHead) {
    if (!state.is_cut && !head_has_grown(as_text(stream), searched)) {
      set_searched(state, direction, stream.size(), searched.has_line != 0);
      return ParseStep{Step::kNeedMore};
    }
    place = kAtHead;
    set_searched(state, direction, 0, false);
    return std::nullopt;
  }
  bool in_trailers = place == kInTrailers;
  const ParseStep step = parse_chunk(stream, searched.bytes <= stream.size() ? searched.bytes : 0, in_trailers);
  place = in_trailers ? kInTrailers : kInChunks;
  if (step.step == Step::kInvalid || step.step == Step::kEnd) place = kAtHead;
  set_searched(state, direction, step.step == Step::kNeedMore ? stream.size() : 0, false);
  return step;
}

ParseStep parse(Bytes stream, Direction direction, ParserState& state, Message& out) {
  if (place_of(state, direction) != kAtHead) [[unlikely]]
    if (const auto step = parse_on(stream, direction, state)) return *step;
  if (const std::size_t empty = empty_lines(stream)) return {Step::kSkip, empty};
  const ParseStep step = read_head(stream, direction, state, out);
  if (step.step == Step::kNeedMore) {
    place_of(state, direction) = kInHead;
    set_searched(state, direction, stream.size(), as_text(stream).find('\n') != std::string_view::npos);
  }
  return step;
}

/// Does the stream begin with "METHOD target HTTP/1."? kMaybe while the first line is not whole.
Probe probe_request(std::string_view text) {
  constexpr std::size_t kMethodBytesMax = 24;
  const std::size_t line_end = text.find('\n');
  std::string_view line = text.substr(0, line_end);
  line = without_cr(line);
  const std::size_t space = line.find(' ');
  const std::string_view method = line.substr(0, space);
  if (method.size() > kMethodBytesMax || method.empty() || method.front() < 'A' || method.front() > 'Z')
    return Probe::kNo;
  if (token_bytes(method) != method.size()) return Probe::kNo;
  const bool known = std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
  const std::size_t version = version_at(line);
  if (version != std::string_view::npos && version > space) return Probe::kYes;
  if (line_end != std::string_view::npos) return Probe::kNo;
  return known || space == std::string_view::npos || text.size() < 64 ? Probe::kMaybe : Probe::kNo;
}

Probe probe(Bytes first, Direction direction, std::uint16_t) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kEmptyBytesMax = 64;  // of empty lines before the first message
  std::string_view text = as_text(first);
  const std::size_t begin = text.substr(0, kEmptyBytesMax + 1).find_first_not_of("\r\n");
  if (begin == std::string_view::npos) return text.size() <= kEmptyBytesMax ? Probe::kMaybe : Probe::kNo;
  text.remove_prefix(begin);
  if (direction == Direction::kToServer) return probe_request(text);
  if (text.size() < kStatusBytes)
    return kVersion.starts_with(text.substr(0, kVersion.size())) ? Probe::kMaybe : Probe::kNo;
  return read_status_line(text.substr(0, kStatusBytes)) != 0 ? Probe::kYes : Probe::kNo;
}

/// Could a request or status line begin at `text`? For resync: strict, known methods only.
bool may_begin(std::string_view text, Direction direction) {
  if (text.front() < 'A' || text.front() > 'Z') return false;
  const auto matches = [text](std::string_view start) { return text.starts_with(start) || start.starts_with(text); };
  if (direction == Direction::kToClient)
    return text.front() == 'H' && (matches("HTTP/1.1 ") || matches("HTTP/1.0 ")) && may_be_status_line(text);
  return std::any_of(kMethods.begin(), kMethods.end(), [&](std::string_view method) {
    return matches(method) && (text.size() <= method.size() || text[method.size()] == ' ');
  });
}

/// Does the line end as a request line does?
bool ends_request(std::string_view line) { return version_at(without_cr(line)) != std::string_view::npos; }

std::size_t resync(Bytes stream, Direction direction, ParserState& state) {
  place_of(state, direction) = kAtHead;
  set_searched(state, direction, 0, false);
  const std::string_view text = as_text(stream);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!may_begin(text.substr(at), direction)) continue;
    if (direction == Direction::kToClient) return at;
    const std::size_t line_end = text.find('\n', at);
    if (line_end == std::string_view::npos || ends_request(text.substr(at, line_end - at))) return at;
    at = line_end;  // wherever in this line a request began, it would be none
  }
  return stream.size();
}

}  // namespace

extern constinit const Parser kHttp1Parser{"http", Pairing::kOrder, false, probe, parse, resync};

}  // namespace hoptap::decode::l7
