// All bytes that one end of a connection sends: messages, made when they are needed. Private to the forge; one thread.
// Borrows the exchanges.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

namespace hoptap::forge {

struct Exchange;

/// One request or response in a stream.
struct Message {
  std::uint64_t from = 0;
  std::uint64_t end = 0;
  std::string head;              ///< its first bytes; filler follows up to `end`
  Exchange* exchange = nullptr;  ///< nullptr: forgotten
  bool is_request = false;
};

/// Owns the messages. Offsets are 64 bits wide and never wrap.
class Stream {
 public:
  std::uint64_t end() const { return end_; }
  bool empty() const { return messages_.empty(); }  ///< none yet, or all forgotten
  /// Adds a message of `bytes` bytes, at least head.size().
  const Message& append(std::string head, std::uint64_t bytes, Exchange& exchange, bool is_request);

  /// The message that holds the byte at `offset`, or nullptr.
  const Message* find(std::uint64_t offset) const;

  /// Calls visit(message, from, end) for each known message with bytes in [from, end), with those bytes.
  template <class Visit>
  void each(std::uint64_t from, std::uint64_t end, Visit visit) const {
    for (auto at = first_behind(from); at != messages_.end() && at->from < end; ++at)
      if (at->exchange != nullptr) visit(*at, std::max(from, at->from), std::min(end, at->end));
  }

  /// Writes bytes [from, from + count) to `out`.
  void copy(std::uint64_t from, std::size_t count, std::uint8_t* out) const;

  /// Forgets the messages of an exchange that is over; nothing of them may be on its way any more.
  void forget(const Exchange& exchange);

 private:
  std::deque<Message>::const_iterator first_behind(std::uint64_t offset) const;

  std::deque<Message> messages_;
  std::uint64_t end_ = 0;
};

}  // namespace hoptap::forge
