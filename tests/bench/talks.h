// Conversations that the generated workloads are made of: each gives its next packet when asked.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "frames.h"

namespace hoptap::bench {

/// What was put into a capture, exactly.
struct Truth {
  std::uint64_t flows = 0;      ///< TCP connections and UDP conversations
  std::uint64_t http = 0;       ///< requests, each answered
  std::uint64_t dns = 0;        ///< queries, each answered
  std::uint64_t opaque = 0;     ///< requests of a protocol that is not known, each answered
  std::uint64_t tls = 0;        ///< turns of TLS: client speaks, server answers; the first is the handshake
  std::uint64_t reordered = 0;  ///< segments that came late by one
  std::uint64_t copies = 0;     ///< segments sent again
  std::uint64_t icmp = 0;       ///< packets
};

/// Where packets go and what everyone shares while a workload is made.
struct Stage {
  CaptureWriter& out;
  Random& random;
  Truth& truth;
  bool closing = false;  ///< there are enough packets: conversations end where they are
  FrameBuilder frame{};
};

class Talk {
 public:
  virtual ~Talk() = default;
  /// Writes the next packet. @return ns until the one after it; none: the conversation has ended
  virtual std::optional<std::uint64_t> step(Stage& stage, std::uint64_t now_ns) = 0;
};

enum class Speech : std::uint8_t { kHttp, kTinyText, kTls };

struct TcpPlan {
  Speech speech = Speech::kHttp;
  std::uint32_t exchanges = 50;
  std::uint32_t think_us = 5000;  ///< mean pause before a request
  std::uint32_t answer_us = 500;  ///< mean pause before a response
  std::uint32_t faulty_in = 0;    ///< one response in so many has a late segment or a copy; 0: none
};

std::unique_ptr<Talk> tcp_talk(const Ends& ends, const TcpPlan& plan, Random& random);
std::unique_ptr<Talk> dns_talk(const Ends& ends, std::uint32_t questions);
/// Datagrams every 20 ms, all one way or by turns.
std::unique_ptr<Talk> media_talk(const Ends& ends, std::uint32_t datagrams, bool both_ways);
std::unique_ptr<Talk> ping_talk(const Ends& ends, std::uint32_t count);

}  // namespace hoptap::bench
