#include "decode/tcp.h"

#include <algorithm>

namespace hoptap::decode {
namespace {

// https://www.iana.org/assignments/tcp-parameters
constexpr std::uint8_t kEnd = 0, kNoOperation = 1, kMss = 2, kWindowScale = 3, kSackPermitted = 4, kSack = 5;
constexpr std::uint8_t kTimestamps = 8;

/// Reads one option, kind and length included; lengths that its RFC does not allow are ignored.
void read_option(base::Bytes option, Tcp& tcp) {
  constexpr std::uint8_t kWindowScaleMax = 14;  // RFC 7323 section 2.3: more is to be taken as this
  constexpr std::size_t kSackBlockBytes = 8;
  switch (option[0]) {
    case kMss:
      if (option.size() == 4) tcp.mss = be16(option, 2);
      break;
    case kWindowScale:
      if (option.size() != 3) break;
      tcp.window_scale = std::min(option[2], kWindowScaleMax);
      tcp.has_window_scale = true;
      break;
    case kSackPermitted:
      if (option.size() == 2) tcp.sack_permitted = true;
      break;
    case kSack:
      if (option.size() % kSackBlockBytes != 2) break;
      if (tcp.sack_blocks == 0 && option.size() > kSackBlockBytes) {
        tcp.sack_left = be32(option, 2);
        tcp.sack_right = be32(option, 6);
      }
      tcp.sack_blocks = static_cast<std::uint8_t>(tcp.sack_blocks + option.size() / kSackBlockBytes);
      break;
    case kTimestamps:
      if (option.size() != 10) break;
      tcp.tsval = be32(option, 2);
      tcp.tsecr = be32(option, 6);
      tcp.has_timestamps = true;
      break;
    default: break;
  }
}

}  // namespace

void read_tcp_options(Tcp& tcp) {
  base::Bytes rest = tcp.options;
  constexpr std::size_t kPaddedTimestampsBytes = 12;
  if (rest.size() == kPaddedTimestampsBytes && be32(rest, 0) == kPaddedTimestamps) {
    read_option(rest.subspan(2), tcp);
    return;
  }
  while (!rest.empty() && rest[0] != kEnd) {
    if (rest[0] == kNoOperation) {
      rest = rest.subspan(1);
      continue;
    }
    if (rest.size() < 2 || rest[1] < 2 || rest[1] > rest.size()) return;
    read_option(rest.first(rest[1]), tcp);
    rest = rest.subspan(rest[1]);
  }
}

}  // namespace hoptap::decode
