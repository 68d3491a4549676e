// A veth pair in a network namespace of the test's own, and what sends frames through it. Needs root and ip(8).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/live/descriptor.h"
#include "capture/live/live_source.h"

namespace hoptap::test {

using Frame = std::vector<std::uint8_t>;

/// Moves the process into a new, empty network namespace. Returns why that is impossible, or "".
std::string enter_own_network();

/// Runs `ip COMMAND`; false, with what it said on standard error, when that fails.
bool ip(const std::string& command);

/// A name with the process id in it, at most 15 bytes: "ht4711a".
std::string own_name(std::string_view end);

/// Two interfaces: what is sent on `near` comes in on `far`.
class VethPair {
 public:
  VethPair();
  ~VethPair();
  VethPair(const VethPair&) = delete;
  VethPair& operator=(const VethPair&) = delete;

  const std::string near = own_name("b");
  const std::string far = own_name("a");
};

/// Sends whole frames on an interface of the calling thread's namespace.
class FrameSender {
 public:
  explicit FrameSender(const std::string& interface);
  void send(const Frame& frame) const;  ///< fails the test when the kernel refuses it

 private:
  capture::Descriptor socket_;
};

inline constexpr std::uint16_t kTestType = 0x88b5, kOtherType = 0x88b6;  // for experiments (IEEE 802)

struct Tag {
  std::uint16_t type = 0x8100;
  std::uint16_t tag = 1;
};

/// An Ethernet frame of `bytes` whose payload holds `number`.
Frame make_frame(std::uint32_t number, std::size_t bytes, std::uint16_t type = kTestType,
                 const std::vector<Tag>& tags = {});

/// A packet that was captured, copied.
struct Seen {
  Frame bytes;
  std::uint64_t time_ns = 0;
  std::uint32_t wire_bytes = 0;
};

/// Reads until `count` packets came. Gives up, so that a test fails instead of hanging, after many waits.
std::vector<Seen> collect(capture::LiveSource& source, std::size_t count);

/// What more there is, without waiting for what is not there yet.
std::vector<Seen> drain(capture::LiveSource& source);

/// Lets `source` wait until `holds`; false after many waits.
bool wait_until(capture::LiveSource& source, const std::function<bool()>& holds);

/// Sends them; they must come whole, in order, and nothing else.
void expect_to_come_through(const std::vector<Frame>& frames, const FrameSender& sender, capture::LiveSource& source);

std::uint64_t now_ns();

}  // namespace hoptap::test
