// Messages that come in the smallest pieces, that never end, and that are none.
#include "feed.h"

namespace hoptap::adversary {
namespace {

/// Sends a text byte by byte, as far as packets are left.
void drip(Feed& feed, Talk& talk, std::size_t end, std::string_view text) {
  for (std::size_t at = 0; at < text.size() && feed.more(); ++at) talk.send(end, text.substr(at, 1));
}

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += text;
  return out;
}

/// New connections, each of which begins with this, byte by byte.
void drip_connections(Feed& feed, std::uint16_t port, std::string_view text) {
  Talk talk(feed, port);
  while (feed.more()) {
    talk.open();
    drip(feed, talk, 0, text);
    talk.reset(0);
  }
}

/// Whole exchanges, heads byte by byte.
void http_heads(Feed& feed) {
  Talk talk(feed);
  talk.open();
  const std::string fields = repeated("Some-Field: some value\r\n", feed.wanted() / 8);
  while (feed.more()) {
    drip(feed, talk, 0, "GET /path HTTP/1.1\r\n" + fields + "\r\n");
    drip(feed, talk, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + "\r\n");
  }
}

void http_endless_line(Feed& feed) { drip_connections(feed, 80, "GET /" + repeated("x", feed.wanted())); }

void http_endless_fields(Feed& feed) {
  drip_connections(feed, 80, "GET / HTTP/1.1\r\n" + repeated("a: b\r\n", feed.wanted()));
}

/// A long first line, then the shortest of lines, each of which might be the end of the head.
void http_short_lines(Feed& feed) {
  drip_connections(feed, 80,
                   "GET /" + repeated("x", feed.wanted() / 2) + " HTTP/1.1\r\n" + repeated("a\n", feed.wanted()));
}

void http_blank_lines(Feed& feed) { drip_connections(feed, 80, repeated("\r\n", 5000)); }
void http_blanks(Feed& feed) { drip_connections(feed, 80, "GET " + repeated(" ", 5000)); }

void http_status_bytes(Feed& feed) {
  Talk talk(feed);
  while (feed.more()) {
    talk.open();
    talk.send(0, "GET / HTTP/1.1\r\n\r\n");
    drip(feed, talk, 1, "HTTP/1.1 200 " + repeated("x", feed.wanted()));
  }
}

/// A chunked body whose trailer never ends.
void http_trailer(Feed& feed) {
  Talk talk(feed);
  talk.open();
  talk.send(0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  drip(feed, talk, 0, "0\r\n" + repeated("x", feed.wanted()));
}

void http_chunk_lines(Feed& feed) {
  Talk talk(feed);
  talk.open();
  talk.send(0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  while (feed.more()) drip(feed, talk, 0, "1;" + repeated("x", 4000) + "\r\nx\r\n");
}

/// After our place was lost: what looks like the beginning of a message everywhere, and a line that is none.
void false_starts(Feed& feed, std::size_t end, std::string_view start) {
  Talk talk(feed);
  talk.open();
  talk.send(0, "GET / HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
  talk.send(1, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
  const std::string starts = repeated(start, 1000);
  talk.send(end, "0123456789\n\n");
  while (feed.more()) {
    for (std::size_t bytes = 0; bytes < 2 * feed.wanted(); bytes += starts.size()) talk.send(end, starts);
    talk.send(end, "\n");
  }
}

void http_false_requests(Feed& feed) { false_starts(feed, 0, "GET "); }
void http_false_responses(Feed& feed) { false_starts(feed, 1, "HTTP/1.1 "); }

/// Requests that each may change the protocol wait for the answers to those before.
void http_upgrades(Feed& feed) {
  Talk talk(feed);
  talk.open();
  const auto block = static_cast<int>(feed.wanted() / 8);
  while (feed.more()) {
    for (int at = 0; at < block; ++at) talk.send(0, "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n");
    for (int at = 0; at < block; ++at) talk.send(1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }
}

void tls_hello(Feed& feed) {
  std::string hello("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11);
  hello += std::string(16384, 'r');
  drip_connections(feed, 443, hello);
}

void tls_records(Feed& feed) {
  Talk talk(feed, 443);
  talk.open();
  while (feed.more()) drip(feed, talk, feed.random.below(2), std::string("\x17\x03\x03\x00\x02xx", 7));
}

void dns_tcp_bytes(Feed& feed) {
  Talk talk(feed, 53);
  talk.open();
  for (std::uint16_t id = 0; feed.more(); ++id) {
    drip(feed, talk, 0, dns_tcp(id, "host", false));
    drip(feed, talk, 1, dns_tcp(id, "host", true));
  }
}

void dns_tcp_endless(Feed& feed) {
  std::string message = dns_tcp(1, "host", false);
  message[0] = message[1] = '\xff';
  drip_connections(feed, 53, message + repeated("x", feed.wanted()));
}

/// Garbage that looks like DNS headers wherever one may be.
void dns_tcp_resync(Feed& feed) {
  Talk talk(feed, 53);
  talk.open();
  talk.send(0, dns_tcp(1, "host", false));
  talk.send(0, std::string("\x00\x01", 2));  // shorter than any message
  const std::string headers = repeated(std::string("\x00\x64\x00\x00\x00\x00\x00\x01\x00\x00", 10), 1000);
  while (feed.more()) talk.send(0, headers);
}

/// Turns that begin as if they were HTTP, byte by byte.
void opaque_turns(Feed& feed) {
  Talk talk(feed, 9000);
  talk.open();
  talk.send(0, std::string("\0\1\2\3", 4));
  while (feed.more()) {
    drip(feed, talk, 0, "GET /" + repeated("x", 1000));
    talk.send(1, "y");
  }
}

void opaque_bytes(Feed& feed) {
  Talk talk(feed, 9000);
  talk.open();
  while (feed.more()) talk.send(feed.random.below(2), std::string_view("\x01", 1));
}

constexpr std::array kCases{
    Case{"http_heads", http_heads},
    Case{"http_endless_line", http_endless_line},
    Case{"http_endless_fields", http_endless_fields},
    Case{"http_short_lines", http_short_lines},
    Case{"http_blank_lines", http_blank_lines},
    Case{"http_blanks", http_blanks},
    Case{"http_status_bytes", http_status_bytes},
    Case{"http_trailer", http_trailer},
    Case{"http_chunk_lines", http_chunk_lines},
    Case{"http_false_requests", http_false_requests},
    Case{"http_false_responses", http_false_responses},
    Case{"http_upgrades", http_upgrades},
    Case{"tls_hello", tls_hello},
    Case{"tls_records", tls_records},
    Case{"dns_tcp_bytes", dns_tcp_bytes},
    Case{"dns_tcp_endless", dns_tcp_endless},
    Case{"dns_tcp_resync", dns_tcp_resync},
    Case{"opaque_turns", opaque_turns},
    Case{"opaque_bytes", opaque_bytes},
};

}  // namespace

std::span<const Case> message_cases() { return kCases; }

}  // namespace hoptap::adversary
