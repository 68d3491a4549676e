// The contract of an application protocol: one Parser value per protocol, listed in table.cpp.
// A parser is a pure function of (bytes, direction, state): it does not allocate, log, read clocks or
// know of flows, pairing or export.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace hoptap::decode::l7 {

enum class Direction : std::uint8_t { kToServer, kToClient };
constexpr Direction opposite(Direction d) {
  return d == Direction::kToServer ? Direction::kToClient : Direction::kToServer;
}
constexpr std::size_t index_of(Direction d) { return static_cast<std::size_t>(d); }

enum class Probe : std::uint8_t { kNo, kMaybe, kYes };

enum class Step : std::uint8_t {
  kMessage,   ///< a message begins here; it ends behind `consumed` unless Message::more
  kPart,      ///< the open message of this direction goes on for `consumed` bytes
  kEnd,       ///< as kPart, and the message ends there
  kSkip,      ///< `consumed` bytes that belong to no message
  kNeedMore,  ///< nothing can be said before more bytes arrive
  kInvalid,   ///< not this protocol, or we lost our place
};

/// `consumed` reaching to the end of the stream: the message ends when the sender closes.
inline constexpr std::uint64_t kToTheEnd = std::numeric_limits<std::uint64_t>::max();
/// The message ends when the other side speaks: what tells where it ends was not captured.
inline constexpr std::uint64_t kToTheTurn = kToTheEnd - 1;

/// What one parse() call did. `consumed` may run past the bytes given: the surplus is skipped as it
/// arrives, never buffered (bodies).
struct ParseStep {
  Step step = Step::kInvalid;
  std::uint64_t consumed = 0;
};

enum class Kind : std::uint8_t {
  kRequest,
  kResponse,
  kInterim,  ///< precedes the response (HTTP 1xx); answers nothing
};

/// One identifier found in a header. Borrows.
struct IdField {
  base::IdKind kind{};
  base::Bytes value;
};

/// What parse() found. The byte fields borrow from the stream or from `text`, so a Message is not
/// copied; it is read before the next parse() call.
struct Message {
  static constexpr std::size_t kIdsMax = 8;
  static constexpr std::size_t kBeyond =
      std::numeric_limits<std::size_t>::max();  ///< head_bytes: more than was captured

  Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Kind kind = Kind::kRequest;
  bool more = false;  ///< further kPart steps belong to this message
  bool has_status = false;
  bool encrypted = false;
  bool handshake = false;  ///< negotiates security, carries no application data
  bool upgrades = false;   ///< behind this response the leg speaks another protocol
  bool is_head = false;    ///< of one that ends at the turn: nothing is to follow its head
  std::uint8_t hint = 0;   ///< of a request: given back in ParserState::hint when its response is parsed
  std::uint32_t status = 0;
  std::uint64_t key = 0;       ///< pairs request and response when Parser::pairing is kKey
  std::size_t head_bytes = 0;  ///< length of the part that `head_hash` may cover
  base::Bytes method, resource, endpoint;
  std::size_t id_count = 0;
  std::array<IdField, kIdsMax> ids{};
  std::array<std::uint8_t, 272> text{};  ///< scratch for fields that do not lie in the stream as text

  /// As newly made, but for what nobody reads: ids beyond id_count, and text.
  void renew() {
    kind = Kind::kRequest;
    more = has_status = encrypted = handshake = upgrades = is_head = false;
    hint = 0;
    status = 0;
    key = 0;
    head_bytes = id_count = 0;
    method = {};
    resource = {};
    endpoint = {};
  }
};

/// Per flow, both directions; zeroed when the protocol is detected.
struct ParserState {
  bool is_cut = false;  ///< what follows the bytes given was not captured: what can be told without it is to be told
  bool is_segment = false;  ///< with is_cut: the bytes given are the beginning of a segment
  std::uint8_t hint = 0;    ///< Message::hint of the request that the next response answers; 0: none
  alignas(8) std::array<std::uint8_t, 16> bytes{};
};

enum class Pairing : std::uint8_t {
  kOrder,  ///< the n-th response answers the n-th request
  kKey,    ///< by Message::key
  kTurn,   ///< consecutive messages of one direction are one message; a change of direction answers
};

struct Parser {
  std::string_view name;  ///< network.protocol.name (OpenTelemetry)
  Pairing pairing = Pairing::kOrder;
  bool datagram = false;  ///< each UDP payload is one message; else a TCP byte stream
  /// Could the first bytes of this direction be this protocol? The port is the server's.
  Probe (*probe)(base::Bytes first, Direction direction, std::uint16_t server_port) = nullptr;
  ParseStep (*parse)(base::Bytes stream, Direction direction, ParserState& state, Message& out) = nullptr;
  /// After kInvalid or a gap: forgets where this direction was, and gives the offset of the first likely
  /// (or, at the end, possible) message start; stream.size() when there is none.
  std::size_t (*resync)(base::Bytes stream, Direction direction, ParserState& state) = nullptr;
};

/// Every protocol that is detected by its bytes, in probe order: strict magic first, loose text last.
std::span<const Parser* const> parsers();

/// What every other TCP stream is: turns of bytes.
extern const Parser kOpaqueParser;

}  // namespace hoptap::decode::l7
