// As many exchanges in flight as there may be, and every packet that looks for one of them.
#include "feed.h"

namespace hoptap::adversary {
namespace {

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What is to be expected: a request, its answer, and acknowledgments.
void ordinary(Feed& feed) {
  Talk talk(feed);
  talk.open();
  while (feed.more()) {
    talk.send(0, kRequest);
    talk.ack(1);
    talk.send(1, kResponse);
    talk.ack(0);
  }
}

/// Unanswered requests, each acknowledged.
void pipelined(Feed& feed) {
  Talk talk(feed);
  talk.open();
  while (feed.more()) {
    talk.send(0, kRequest);
    talk.ack(1);
  }
}

/// Many requests, then many answers, each acknowledged.
void pipelined_answers(Feed& feed) {
  Talk talk(feed);
  talk.open();
  const auto block = static_cast<int>(feed.wanted() / 16);
  while (feed.more()) {
    for (int at = 0; at < block; ++at) talk.send(0, kRequest);
    for (int at = 0; at < block; ++at) {
      talk.send(1, kResponse);
      talk.ack(0);
    }
  }
}

/// Many requests, then an answer byte by byte.
void pipelined_answer_bytes(Feed& feed) {
  Talk talk(feed);
  talk.open();
  for (std::size_t at = 0; at < feed.wanted() / 4; ++at) talk.send(0, kRequest);
  while (feed.more()) talk.send(1, "HTTP/1.1 200 OK\r\nx: y\r\n"), talk.send(1, "z");
}

/// A request whose answer is lost, then answers that nobody asked for.
void unasked_answers(Feed& feed) {
  Talk talk(feed);
  talk.open();
  talk.hold_ack(1);  // the server has received nothing
  talk.send(0, kRequest);
  while (feed.more()) {
    talk.send(1, kResponse);
    if (feed.random.below(4) == 0) talk.send(0, kRequest);
  }
}

/// Answers have been lost: which request the next ones answer must be found out by what was acknowledged.
void lost_answers(Feed& feed) {
  Talk talk(feed);
  talk.open();
  talk.send(0, kRequest);
  talk.hold_ack(0);
  const auto block = static_cast<int>(feed.wanted() / 16);
  while (feed.more()) {
    for (int at = 0; at < block; ++at) talk.send(0, kRequest);
    talk.lose(1, 100);
    for (int at = 0; at < block; ++at) talk.send(1, kResponse);
  }
}

/// Requests have been lost again and again.
void lost_requests(Feed& feed) {
  Talk talk(feed);
  talk.open();
  while (feed.more()) {
    talk.send(0, kRequest);
    talk.lose(0, 50);
    talk.ack(1);
    talk.send(0, kRequest);
    talk.send(1, kResponse);
  }
}

/// Each request leaves HTTP, so that all in flight get no answer.
void switches(Feed& feed) {
  Talk talk(feed);
  talk.open();
  for (std::size_t at = 0; at < feed.wanted() / 4; ++at) talk.send(0, kRequest);
  while (feed.more()) {
    talk.send(1, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    talk.send(0, kRequest);
  }
}

struct DnsTalk {
  explicit DnsTalk(Feed& feed_) : feed(feed_) {}
  void ask(std::uint16_t id, std::string_view label) { put(dns(id, label, false), false); }
  void answer(std::uint16_t id, std::string_view label) { put(dns(id, label, true), true); }
  void put(const std::string& message, bool back) {
    const base::Endpoint client = endpoint(0x0a000001, 40000), server = endpoint(0x0a000002, 53);
    decode::Decoded packet = datagram(back ? server : client, back ? client : server, message);
    packet.ip_id = static_cast<std::uint16_t>(feed.random() | 1);
    feed.put(packet);
  }
  Feed& feed;
};

std::string label_of(std::size_t number) { return "host" + std::to_string(number % 100000); }

/// One id, each time another question.
void dns_one_id(Feed& feed) {
  DnsTalk talk(feed);
  for (std::size_t at = 0; feed.more(); ++at) talk.ask(7, label_of(at));
}

void dns_many_ids(Feed& feed) {
  DnsTalk talk(feed);
  for (std::uint16_t id = 0; feed.more(); ++id) talk.ask(id, "host");
}

/// Every second packet asks again what was asked first.
void dns_repeats(Feed& feed) {
  DnsTalk talk(feed);
  for (std::uint16_t id = 0; feed.more(); ++id) {
    talk.ask(id, "host");
    talk.ask(static_cast<std::uint16_t>(id / 2), "host");
  }
}

/// Many questions, then their answers from the last to the first; the very first never gets one.
void dns_answers(Feed& feed) {
  DnsTalk talk(feed);
  const auto block = static_cast<std::uint16_t>(feed.wanted() / 32);
  talk.ask(60000, "host");
  while (feed.more()) {
    for (std::uint16_t id = 0; id < block; ++id) talk.ask(id, "host");
    for (std::uint16_t id = block; id > 0; --id) talk.answer(static_cast<std::uint16_t>(id - 1), "host");
  }
}

/// A question and its answer, as should be.
void dns_ordinary(Feed& feed) {
  DnsTalk talk(feed);
  for (std::uint16_t id = 0; feed.more(); ++id) {
    talk.ask(id, "host");
    talk.answer(id, "host");
  }
}

void dns_unasked(Feed& feed) {
  DnsTalk talk(feed);
  talk.ask(60000, "host");
  for (std::uint16_t id = 0; feed.more(); ++id) talk.answer(id, "host");
}

/// Time enough between packets for all that is finished to be looked at.
void dns_settling(Feed& feed) {
  DnsTalk talk(feed);
  feed.step_ns = 1200 * kMillisecond;
  for (std::uint16_t id = 0; feed.more(); ++id) talk.ask(id, "host");
}

void dns_tcp_pipelined(Feed& feed) {
  Talk talk(feed, 53);
  talk.open();
  for (std::uint16_t id = 0; feed.more(); ++id) {
    talk.send(0, dns_tcp(id, "host", false));
    talk.ack(1);
    if (id % 2 == 0) talk.send(1, dns_tcp(static_cast<std::uint16_t>(id / 2), "host", true));
  }
}

constexpr std::array kCases{
    Case{"ordinary", ordinary},
    Case{"pipelined", pipelined},
    Case{"pipelined_answers", pipelined_answers},
    Case{"pipelined_answer_bytes", pipelined_answer_bytes},
    Case{"unasked_answers", unasked_answers},
    Case{"lost_answers", lost_answers},
    Case{"lost_requests", lost_requests},
    Case{"switches", switches},
    Case{"dns_ordinary", dns_ordinary},
    Case{"dns_one_id", dns_one_id},
    Case{"dns_many_ids", dns_many_ids},
    Case{"dns_repeats", dns_repeats},
    Case{"dns_answers", dns_answers},
    Case{"dns_unasked", dns_unasked},
    Case{"dns_settling", dns_settling},
    Case{"dns_tcp_pipelined", dns_tcp_pipelined},
};

}  // namespace

std::span<const Case> exchange_cases() { return kCases; }

}  // namespace hoptap::adversary
