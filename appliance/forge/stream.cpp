#include "appliance/forge/stream.h"

#include <array>
#include <cassert>
#include <cstring>

namespace hoptap::forge {
namespace {

constexpr std::size_t kFillerBytes = 4096;

/// Lines of 64 characters, over and over.
std::array<char, kFillerBytes> make_filler() {
  constexpr std::string_view kLine = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
  static_assert(kLine.size() == 64);
  std::array<char, kFillerBytes> filler{};
  for (std::size_t at = 0; at < filler.size(); ++at) filler[at] = kLine[at % kLine.size()];
  return filler;
}

void fill(std::uint64_t offset, std::size_t count, std::uint8_t* out) {
  static const std::array<char, kFillerBytes> kFiller = make_filler();
  while (count > 0) {
    const std::size_t start = offset % 64;
    const std::size_t part = std::min(count, kFillerBytes - start);
    std::memcpy(out, kFiller.data() + start, part);
    offset += part;
    out += part;
    count -= part;
  }
}

}  // namespace

const Message& Stream::append(std::string head, std::uint64_t bytes, Exchange& exchange, bool is_request) {
  assert(bytes >= head.size());
  messages_.push_back(
      {.from = end_, .end = end_ + bytes, .head = std::move(head), .exchange = &exchange, .is_request = is_request});
  end_ += bytes;
  return messages_.back();
}

std::deque<Message>::const_iterator Stream::first_behind(std::uint64_t offset) const {
  return std::upper_bound(messages_.begin(), messages_.end(), offset,
                          [](std::uint64_t value, const Message& message) { return value < message.end; });
}

const Message* Stream::find(std::uint64_t offset) const {
  const auto at = first_behind(offset);
  return at == messages_.end() || at->from > offset ? nullptr : &*at;
}

void Stream::copy(std::uint64_t from, std::size_t count, std::uint8_t* out) const {
  auto at = first_behind(from);
  while (count > 0) {
    if (at == messages_.end() || at->from > from) {  // forgotten: only in a copy that comes absurdly late
      fill(from, count, out);
      return;
    }
    const std::uint64_t inside = from - at->from;
    const bool in_head = inside < at->head.size();
    const std::uint64_t left = in_head ? at->head.size() - inside : at->end - from;
    const std::size_t part = std::min<std::uint64_t>(count, left);
    if (in_head) {
      std::memcpy(out, at->head.data() + inside, part);
    } else {
      fill(inside, part, out);
    }
    from += part;
    out += part;
    count -= part;
    if (from == at->end) ++at;
  }
}

void Stream::forget(const Exchange& exchange) {
  for (Message& message : messages_)
    if (message.exchange == &exchange) message.exchange = nullptr;
  while (!messages_.empty() && messages_.front().exchange == nullptr) messages_.pop_front();
}

}  // namespace hoptap::forge
