#include "talks.h"

#include <algorithm>
#include <string_view>

namespace hoptap::bench {
namespace {

constexpr std::uint64_t kNsPerUs = 1000;
constexpr std::size_t kClient = 0, kServer = 1;
constexpr std::size_t kSegmentBytes = 1448;

/// Between half and one and a half of the mean.
std::uint64_t around_ns(Random& random, std::uint32_t mean_us) {
  return (mean_us / 2 + std::uint64_t{random.below(mean_us + 1)}) * kNsPerUs;
}

const std::string& filler() {
  static const std::string text = [] {
    std::string made;
    while (made.size() < 64u << 10) made += "hoptap workload body " + std::to_string(made.size()) + "\n";
    return made;
  }();
  return text;
}

/// Request and response number `index` of a connection.
struct Words {
  std::string request;
  std::string response;
};

void http_words(Random& random, Words& words) {
  static constexpr std::array<std::uint32_t, 21> kBodies{200,  200,  200,  200,   200,   200,   700,
                                                         700,  700,  700,  700,   700,   1500,  1500,
                                                         1500, 4000, 4000, 12000, 12000, 30000, 50000};
  const std::uint32_t body = kBodies[random.below(kBodies.size())];
  const std::string number = std::to_string(random.below(1'000'000));
  words.request = "GET /files/" + std::to_string(body) + ".txt?n=" + number +
                  " HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\nX-Request-Id: " + number +
                  "-" + std::to_string(random.next()) + "\r\n\r\n";
  words.response =
      "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body) +
      "\r\nConnection: keep-alive\r\n\r\n";
  words.response.append(filler(), 0, body);
}

/// As key-value servers speak: some ten bytes each way.
void tiny_words(Random& random, Words& words) {
  const std::string key = "key:" + std::to_string(10'000'000 + random.below(1'000'000));
  if (random.one_in(2)) {
    words.request = "*2\r\n$3\r\nGET\r\n$12\r\n" + key + "\r\n";
    words.response = "$3\r\nxyz\r\n";
  } else {
    words.request = "*3\r\n$3\r\nSET\r\n$12\r\n" + key + "\r\n$3\r\nxyz\r\n";
    words.response = "+OK\r\n";
  }
}

std::string u16_text(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string tls_record(char type, const std::string& content) {
  return std::string{type, 3, 3} + u16_text(content.size()) + content;
}

std::string noise(Random& random, std::size_t bytes) {
  std::string made(bytes, '\0');
  for (char& byte : made) byte = static_cast<char>(random.below(256));
  return made;
}

std::string handshake_message(char type, const std::string& body) {
  return std::string{type, 0} + u16_text(body.size()) + body;
}

/// RFC 8446 section 4: first the handshake, then application data.
void tls_words(Random& random, std::uint32_t index, Words& words) {
  constexpr char kHandshake = 22, kApplication = 23;
  if (index > 0) {
    words.request = tls_record(kApplication, noise(random, 120 + random.below(200)));
    words.response = tls_record(kApplication, noise(random, 300 + random.below(6000)));
    return;
  }
  const std::string host = "shop.example";
  const std::string name = std::string(1, '\0') + u16_text(host.size()) + host;
  const std::string extension = u16_text(0) + u16_text(name.size() + 2) + u16_text(name.size()) + name;
  const std::string hello = std::string{3, 3} + noise(random, 32) + std::string(1, '\0');
  words.request =
      tls_record(kHandshake, handshake_message(1, hello + u16_text(2) + u16_text(0x1301) + std::string{1, 0} +
                                                      u16_text(extension.size()) + extension));
  words.response =
      tls_record(kHandshake, handshake_message(2, hello + u16_text(0x1301) + std::string(1, '\0') + u16_text(0))) +
      tls_record(kApplication, noise(random, 2600));
}

class TcpTalk final : public Talk {
 public:
  TcpTalk(const Ends& ends, const TcpPlan& plan, Random& random) : ends_(ends), plan_(plan) {
    for (std::size_t end = 0; end < 2; ++end) {
      next_[end] = static_cast<std::uint32_t>(random.next());
      ip_id_[end] = static_cast<std::uint16_t>(random.next());
      clock_[end] = static_cast<std::uint32_t>(random.next());
    }
  }

  std::optional<std::uint64_t> step(Stage& stage, std::uint64_t now_ns) override {
    if (planned_.empty()) open(stage);
    const Planned packet = planned_.front();
    planned_.pop_front();
    constexpr std::uint64_t kNsPerTick = 1'000'000;
    const std::size_t from = packet.sender;
    last_tsval_[from] = clock_[from] + static_cast<std::uint32_t>(now_ns / kNsPerTick);
    const Segment segment{packet.sequence, packet.acknowledgment, last_tsval_[from], last_tsval_[1 - from],
                          packet.flags};
    const std::string& message = from == kClient ? words_.request : words_.response;
    stage.out.write(now_ns, stage.frame.tcp(ends_, from, ip_id_[from]++, segment,
                                            std::string_view(message).substr(packet.at, packet.bytes)));
    if (planned_.empty() && !closed_) go_on(stage);
    if (planned_.empty()) return std::nullopt;
    return planned_.front().delay_ns;
  }

 private:
  struct Planned {
    std::size_t sender = 0;
    std::uint8_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgment = 0;
    std::size_t at = 0;  ///< in the message
    std::size_t bytes = 0;
    std::uint64_t delay_ns = 0;  ///< after the packet before
  };

  /// The next packet of one side: `bytes` of its message from `at` on, or only flags.
  Planned& plan(std::size_t sender, std::uint8_t flags, std::uint64_t delay_ns, std::size_t at = 0,
                std::size_t bytes = 0) {
    const std::uint32_t acknowledgment = (flags & kAck) != 0 ? next_[1 - sender] : 0;
    planned_.push_back({sender, flags, next_[sender], acknowledgment, at, bytes, delay_ns});
    next_[sender] += static_cast<std::uint32_t>(bytes) + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
    return planned_.back();
  }

  void open(Stage& stage) {
    ++stage.truth.flows;
    plan(kClient, kSyn, 0);
    plan(kServer, kSyn | kAck, around_ns(stage.random, 100));
    plan(kClient, kAck, around_ns(stage.random, 100));
  }

  void go_on(Stage& stage) {
    if (done_ < plan_.exchanges && !stage.closing) return exchange(stage);
    closed_ = true;
    plan(kClient, kFin | kAck, around_ns(stage.random, plan_.think_us));
    plan(kServer, kFin | kAck, around_ns(stage.random, 100));
    plan(kClient, kAck, around_ns(stage.random, 100));
  }

  void exchange(Stage& stage) {
    switch (plan_.speech) {
      case Speech::kHttp:
        http_words(stage.random, words_);
        ++stage.truth.http;
        break;
      case Speech::kTinyText:
        tiny_words(stage.random, words_);
        ++stage.truth.opaque;
        break;
      case Speech::kTls:
        tls_words(stage.random, done_, words_);
        ++stage.truth.tls;
        break;
    }
    ++done_;
    say(kClient, words_.request, around_ns(stage.random, plan_.think_us), stage);
    const std::size_t begin = planned_.size();
    say(kServer, words_.response, around_ns(stage.random, plan_.answer_us), stage);
    if (plan_.faulty_in != 0 && planned_.size() - begin > 6 && stage.random.one_in(plan_.faulty_in))
      spoil(begin, stage);
  }

  /// A message in segments; the other side acknowledges every second one.
  void say(std::size_t sender, const std::string& message, std::uint64_t delay_ns, Stage& stage) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < message.size(); at += kSegmentBytes) {
      const std::size_t bytes = std::min(kSegmentBytes, message.size() - at);
      const bool last = at + bytes == message.size();
      plan(sender, last ? kAck | kPsh : kAck, at == 0 ? delay_ns : around_ns(stage.random, 6), at, bytes);
      ++count;
      if (count % 2 == 0 || (last && count > 1)) plan(1 - sender, kAck, around_ns(stage.random, 20));
    }
  }

  /// Of the response planned from `begin` on: the second pair of segments swapped, or its first sent again.
  void spoil(std::size_t begin, Stage& stage) {
    const auto first = planned_.begin() + static_cast<std::ptrdiff_t>(begin) + 3;  // data, data, ACK; data, data, ACK
    if (stage.random.one_in(2)) {
      std::swap(*first, *(first + 1));
      ++stage.truth.reordered;
      return;
    }
    Planned copy = *first;
    copy.delay_ns = around_ns(stage.random, 4000);  // another TSval than the first one
    planned_.insert(first + 3, copy);
    ++stage.truth.copies;
  }

  Ends ends_;
  TcpPlan plan_;
  Words words_;
  std::deque<Planned> planned_;
  std::array<std::uint32_t, 2> next_{}, clock_{}, last_tsval_{};
  std::array<std::uint16_t, 2> ip_id_{};
  std::uint32_t done_ = 0;
  bool closed_ = false;
};

/// Questions for A and AAAA, each answered, one after the other.
class DnsTalk final : public Talk {
 public:
  DnsTalk(const Ends& ends, std::uint32_t questions) : ends_(ends), questions_(questions) {}

  std::optional<std::uint64_t> step(Stage& stage, std::uint64_t now_ns) override {
    const bool asks = sent_ % 2 == 0;
    if (sent_ == 0) ++stage.truth.flows;
    if (asks) {
      ++stage.truth.dns;
      id_ = static_cast<std::uint16_t>(stage.random.next());
      name_ = "host" + std::to_string(stage.random.below(5000));
    }
    stage.out.write(now_ns, stage.frame.udp(ends_, asks ? kClient : kServer, static_cast<std::uint16_t>(id_ + sent_),
                                            message(!asks)));
    if (++sent_ == questions_ * 2) return std::nullopt;
    return around_ns(stage.random, asks ? 400 : 50);
  }

 private:
  std::string message(bool response) const {
    const bool v6 = sent_ / 2 % 2 == 1;
    std::string made = u16_text(id_) + u16_text(response ? 0x8180 : 0x0100) + u16_text(1) + u16_text(response ? 1 : 0) +
                       u16_text(0) + u16_text(0);
    for (const std::string& label : {name_, std::string("bench"), std::string("example")})
      made += static_cast<char>(label.size()) + label;
    made += '\0' + u16_text(v6 ? 28 : 1) + u16_text(1);
    if (!response) return made;
    made += u16_text(0xc00c) + u16_text(v6 ? 28 : 1) + u16_text(1) + u16_text(0) + u16_text(60);
    return made + u16_text(v6 ? 16 : 4) + std::string(v6 ? 16 : 4, '\x0a');
  }

  Ends ends_;
  std::uint32_t questions_;
  std::uint32_t sent_ = 0;
  std::uint16_t id_ = 0;
  std::string name_;
};

class MediaTalk final : public Talk {
 public:
  MediaTalk(const Ends& ends, std::uint32_t datagrams, bool both_ways)
      : ends_(ends), datagrams_(datagrams), both_ways_(both_ways) {}

  std::optional<std::uint64_t> step(Stage& stage, std::uint64_t now_ns) override {
    if (sent_ == 0) ++stage.truth.flows;
    const std::size_t sender = both_ways_ ? sent_ % 2 : kClient;
    std::string payload = std::string("\x80\x60", 2) + u16_text(sent_) + u16_text(0) + u16_text(sent_ * 160);
    payload += noise(stage.random, 164);
    stage.out.write(now_ns, stage.frame.udp(ends_, sender, static_cast<std::uint16_t>(sent_ + 1), payload));
    if (++sent_ == datagrams_ || stage.closing) return std::nullopt;
    return around_ns(stage.random, both_ways_ ? 10'000 : 20'000);
  }

 private:
  Ends ends_;
  std::uint32_t datagrams_;
  bool both_ways_;
  std::uint32_t sent_ = 0;
};

class PingTalk final : public Talk {
 public:
  PingTalk(const Ends& ends, std::uint32_t count) : ends_(ends), count_(count) {}

  std::optional<std::uint64_t> step(Stage& stage, std::uint64_t now_ns) override {
    const auto number = static_cast<std::uint16_t>(sent_ / 2);
    stage.out.write(now_ns, stage.frame.icmp_echo(ends_, sent_ % 2, static_cast<std::uint16_t>(sent_), number));
    ++stage.truth.icmp;
    if (++sent_ == count_ * 2) return std::nullopt;
    return around_ns(stage.random, sent_ % 2 == 1 ? 300 : 50'000);
  }

 private:
  Ends ends_;
  std::uint32_t count_;
  std::uint32_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Talk> tcp_talk(const Ends& ends, const TcpPlan& plan, Random& random) {
  return std::make_unique<TcpTalk>(ends, plan, random);
}
std::unique_ptr<Talk> dns_talk(const Ends& ends, std::uint32_t questions) {
  return std::make_unique<DnsTalk>(ends, questions);
}
std::unique_ptr<Talk> media_talk(const Ends& ends, std::uint32_t datagrams, bool both_ways) {
  return std::make_unique<MediaTalk>(ends, datagrams, both_ways);
}
std::unique_ptr<Talk> ping_talk(const Ends& ends, std::uint32_t count) {
  return std::make_unique<PingTalk>(ends, count);
}

}  // namespace hoptap::bench
