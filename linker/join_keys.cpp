#include "linker/join_keys.h"

#include <algorithm>
#include <string_view>

#include "base/hash.h"
#include "linker/group.h"

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;
using flowtable::MessageRecord;
namespace record_flag = flowtable::record_flag;

enum class KeyKind : std::uint8_t {
  kBothSequences = 1,
  kRequestStamp,
  kResponseStamp,
  kRequestOfConnection,
  kResponseOfConnection,
  kResponseContent,
  kStampPair,
  kHeaderId,
  kDatagramId,
  kDatagramPayload,
};

template <class... Values>
std::uint64_t key_of(KeyKind kind, Values... values) {
  return base::hash_values(kind, values...);
}

/// One key per copy of the first byte: a point behind a loss saw a later copy first.
void add_stamp_keys(KeyKind kind, const MessageRecord& message, std::vector<std::uint64_t>& keys) {
  if (!message.seen() || (message.tsval == 0 && message.tsecr == 0)) return;
  keys.push_back(key_of(kind, message.sequence, message.tsval));
  const std::size_t kept = std::min<std::size_t>(message.copies, MessageRecord::kCopiesMax);
  for (std::size_t at = 0; at < kept; ++at) {
    if (message.copy[at].tsval != 0) keys.push_back(key_of(kind, message.sequence, message.copy[at].tsval));
  }
}

void add_tcp_keys(const HopRecord& record, std::vector<std::uint64_t>& keys) {
  const bool both = record.request.seen() && record.response.seen();
  if (both) keys.push_back(key_of(KeyKind::kBothSequences, record.request.sequence, record.response.sequence));
  add_stamp_keys(KeyKind::kRequestStamp, record.request, keys);
  add_stamp_keys(KeyKind::kResponseStamp, record.response, keys);
  const MessageRecord& response = record.response;
  if (response.seen() && response.head_hash != 0) {
    keys.push_back(key_of(KeyKind::kResponseContent, response.sequence, response.bytes, response.head_hash));
  }
  const MessageRecord& request = record.request;
  if (request.seen() && request.head_hash != 0 && request.tsval != 0 && request.tsecr != 0) {
    keys.push_back(key_of(KeyKind::kStampPair, request.tsval, request.tsecr, request.bytes, request.head_hash));
  }
  for (const flowtable::HeaderId& id : record.ids) {
    keys.push_back(key_of(KeyKind::kHeaderId, id.kind, base::hash_bytes(base::as_bytes(id.value))));
  }
  if ((record.flags & record_flag::kHandshakeSeen) == 0) return;
  if (record.request.seen()) {
    keys.push_back(
        key_of(KeyKind::kRequestOfConnection, record.client_isn, record.server_isn, record.request.sequence));
  }
  if (record.response.seen()) {
    keys.push_back(
        key_of(KeyKind::kResponseOfConnection, record.client_isn, record.server_isn, record.response.sequence));
  }
}

void add_datagram_keys(const HopRecord& record, std::vector<std::uint64_t>& keys) {
  if (record.key != 0 || record.canonical_hash != 0) {
    keys.push_back(key_of(KeyKind::kDatagramId, record.transport, record.key, record.canonical_hash));
  } else if (record.request.head_hash != 0) {
    keys.push_back(key_of(KeyKind::kDatagramPayload, record.transport, record.request.head_hash, record.request.bytes));
  }
}

/// Exchanges told by the change of direction alone may end elsewhere at another point; their start still is the same.
bool bounds_are_loose(const HopRecord& record) {
  return record.protocol.empty() || record.protocol == "opaque" || record.protocol == "tls";
}

/// Close to each other in one numbering, so another message of the same stream.
bool is_neighbour(const MessageRecord& left, const MessageRecord& right) {
  constexpr std::int32_t kNear = 1 << 20;
  const auto distance = static_cast<std::int32_t>(left.sequence - right.sequence);
  return left.seen() && right.seen() && distance != 0 && distance > -kNear && distance < kNear;
}

}  // namespace

std::vector<std::uint64_t> join_keys(const HopRecord& record) {
  std::vector<std::uint64_t> keys;
  if (record.transport == kTcp) {
    add_tcp_keys(record, keys);
  } else {
    add_datagram_keys(record, keys);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

bool compatible(const HopRecord& left, const HopRecord& right) {
  if (left.transport != right.transport) return false;
  if (!left.request.seen() || !right.request.seen()) return true;
  if (bounds_are_loose(left) || bounds_are_loose(right)) return true;
  if (left.transport == kTcp && is_neighbour(left.request, right.request)) return false;
  constexpr std::uint32_t kExplains =
      record_flag::kRequestGap | record_flag::kTruncated | record_flag::kIncomplete | record_flag::kRequestMissing;
  const bool explained = ((left.flags | right.flags) & kExplains) != 0;
  if (!explained && left.request.bytes != right.request.bytes) return false;
  const bool both_heads = left.request.head_hash != 0 && right.request.head_hash != 0;
  return explained || !both_heads || left.request.head_hash == right.request.head_hash;
}

}  // namespace hoptap::linker
