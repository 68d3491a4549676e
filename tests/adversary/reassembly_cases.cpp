// Segments behind holes, on top of each other, and again and again.
#include "feed.h"

namespace hoptap::adversary {
namespace {

const std::string kText(65536, 'x');

/// An opaque connection behind whose first bytes there is a hole.
void open_with_hole(Talk& talk) {
  talk.open();
  talk.send(0, "\x01\x02\x03\x04");
  talk.lose(0, 1);
}

/// One-byte segments that go up from a hole that is never filled.
void hole_forward(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  while (feed.more()) talk.send(0, "x");
}

/// One-byte segments from the far end down to the hole, then what fills it: all passes at once.
void hole_reverse(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  const auto block = static_cast<std::int64_t>(feed.wanted() / 4);
  while (feed.more()) {
    for (std::int64_t at = block; at >= 0 && feed.more(); --at) talk.send_at(0, at - 1, "x");
    talk.lose(0, static_cast<std::size_t>(block) + 1);
  }
}

/// Every other byte of a stretch in random order, so that nothing ever joins.
void hole_random(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  const auto stretch = static_cast<std::uint32_t>(feed.wanted());
  while (feed.more()) talk.send_at(0, 2 * feed.random.below(stretch), "x");
}

/// Segments of up to 64 bytes anywhere within a stretch: every shape of overlap.
void overlaps(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  const auto stretch = static_cast<std::uint32_t>(8 * feed.wanted());
  while (feed.more())
    talk.send_at(0, feed.random.below(stretch), std::string_view(kText).substr(0, 1 + feed.random.below(64)));
}

/// Long segments over a comb of single bytes.
void overlap_comb(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  while (feed.more()) {
    for (int at = 0; at < 32 && feed.more(); ++at) talk.send_at(0, 2 * at, "x");
    for (int copy = 0; copy < 32 && feed.more(); ++copy) talk.send_at(0, 0, std::string_view(kText).substr(0, 64));
    talk.lose(0, 64);
  }
}

/// The receiver tells that it has what is behind the hole, a byte at a time.
void hole_acked(Feed& feed) {
  Talk talk(feed);
  open_with_hole(talk);
  while (feed.more()) {
    talk.send(0, "x");
    talk.lose(0, 1);
    talk.ack(1);
  }
}

/// The same bytes again and again, with as many requests in flight as there may be.
void retransmissions(Feed& feed) {
  Talk talk(feed);
  talk.open();
  const std::string_view request = "GET / HTTP/1.1\r\n\r\n";
  const auto requests = static_cast<std::uint32_t>(feed.wanted() / 4);
  for (std::uint32_t at = 0; at < requests; ++at) talk.send(0, request);
  const auto bytes = static_cast<std::uint32_t>(requests * request.size());
  while (feed.more()) talk.send_at(0, -static_cast<std::int64_t>(1 + feed.random.below(bytes)), "G");
}

/// Holes in the middle of skipped bodies, with duplicate acknowledgments.
void duplicate_acks(Feed& feed) {
  Talk talk(feed);
  talk.open();
  talk.send(0, "GET / HTTP/1.1\r\n\r\n");
  talk.send(1, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
  talk.lose(1, 1);
  while (feed.more()) {
    talk.send(1, "body");
    for (int copy = 0; copy < 3; ++copy) talk.ack(0, 4);
  }
}

constexpr std::array kCases{
    Case{"hole_forward", hole_forward},
    Case{"hole_reverse", hole_reverse},
    Case{"hole_random", hole_random},
    Case{"hole_acked", hole_acked},
    Case{"overlaps", overlaps},
    Case{"overlap_comb", overlap_comb},
    Case{"duplicate_acks", duplicate_acks},
    Case{"retransmissions", retransmissions},
};

}  // namespace

std::span<const Case> reassembly_cases() { return kCases; }

}  // namespace hoptap::adversary
