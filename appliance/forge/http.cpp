#include "appliance/forge/http.h"

#include <fmt/format.h>

#include <algorithm>

namespace hoptap::forge {
namespace {

constexpr std::uint64_t kGetBytesMax = 1200;
constexpr std::string_view kPadding = "X-Padding: ";

/// Content-Length so that head and body together have `bytes` bytes; `head_bytes` without its digits.
std::uint64_t content_length(std::uint64_t bytes, std::uint64_t head_bytes) {
  for (std::uint64_t digits = 1; digits < 12; ++digits) {
    if (bytes < head_bytes + digits) return 0;
    const std::uint64_t length = bytes - head_bytes - digits;
    if (fmt::formatted_size("{}", length) <= digits) return length;
  }
  return 0;
}

}  // namespace

MessageText make_request(const RequestText& request) {
  const bool is_post = request.has_body || request.bytes > kGetBytesMax;
  std::string head =
      fmt::format("{} /f/{}?id={} HTTP/1.1\r\nHost: forge.example\r\nUser-Agent: hoptap-forge\r\nAccept: */*\r\n{}",
                  is_post ? "POST" : "GET", request.response_bytes, request.id, request.header_lines);
  if (is_post) {
    constexpr std::string_view kFields = "Content-Type: text/plain\r\nContent-Length: ";
    const std::uint64_t length = content_length(request.bytes, head.size() + kFields.size() + 4);
    const std::uint64_t body = std::max<std::uint64_t>(length, 1);
    head += fmt::format("{}{}\r\n\r\n", kFields, body);
    return {.head = head, .bytes = head.size() + body};
  }
  const std::uint64_t without = head.size() + kPadding.size() + 4;
  if (request.bytes > without) head += fmt::format("{}{}\r\n", kPadding, std::string(request.bytes - without, 'x'));
  head += "\r\n";
  return {.head = head, .bytes = head.size()};
}

MessageText make_response(int status, std::string_view id, std::uint64_t bytes) {
  const std::string start =
      fmt::format("HTTP/1.1 {}\r\nServer: hoptap-forge\r\nContent-Type: text/plain\r\nContent-Length: ",
                  status == 200 ? "200 OK" : "502 Bad Gateway");
  const std::uint64_t body = content_length(bytes, start.size() + 4);
  std::string head = fmt::format("{}{}\r\n\r\n", start, body);
  const std::uint64_t all = head.size() + body;
  head += id.substr(0, body);
  return {.head = head, .bytes = all};
}

std::string make_header_ids(const std::vector<HeaderId>& kinds, Random& random) {
  std::string lines;
  const std::uint64_t high = random.next();
  const std::uint64_t low = random.next();
  const std::uint64_t span = random.next();
  for (const HeaderId kind : kinds) {
    switch (kind) {
      case HeaderId::kRequestId:
        lines += fmt::format("x-request-id: {:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}\r\n", high >> 32, high >> 16 & 0xffff,
                             high & 0xfff, low >> 48 & 0xfff, low & 0xffffffffffff);
        break;
      case HeaderId::kTraceParent:
        lines += fmt::format("traceparent: 00-{:016x}{:016x}-{:016x}-01\r\n", high, low, span);
        break;
      case HeaderId::kB3: lines += fmt::format("b3: {:016x}{:016x}-{:016x}-1\r\n", high, low, span); break;
      case HeaderId::kSw8:
        // Sampled, trace id, segment id, span, then service, instance, endpoint and peer, each in Base64 of "forge".
        lines += fmt::format("sw8: 1-{:016x}-{:016x}-0-Zm9yZ2U=-Zm9yZ2U=-Zm9yZ2U=-Zm9yZ2U=\r\n", high, low);
        break;
    }
  }
  return lines;
}

}  // namespace hoptap::forge
