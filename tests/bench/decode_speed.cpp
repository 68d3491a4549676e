// How many instructions decoding takes for packets of usual shapes: run by callgrind, twice, with other repeat counts,
// so that the difference is Decoder::decode() alone. Prints nothing but what it was asked for and the sum of the
// outcomes.
//
// usage: hoptap-decode-speed SHAPE BATCHES     SHAPE: tcp, tcp-plain, vlan, udp, ipv6, vxlan
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "decode/decoder.h"
#include "tests/unit/packet_builder.h"

namespace {

using namespace hoptap;
using test::Buffer;

Buffer segment(bool timestamps) {
  return test::tcp({.options = timestamps ? test::timestamps_option(7, 9) : Buffer{}}, Buffer(100, 'x'));
}

Buffer frame_of(const std::string& shape) {
  const Buffer plain = test::ethernet({}, test::ipv4({}, segment(true)));
  if (shape == "tcp-plain") return test::ethernet({}, test::ipv4({}, segment(false)));
  if (shape == "vlan") return test::ethernet({.vlans = {{.id = 5}}}, test::ipv4({}, segment(true)));
  if (shape == "udp") return test::ethernet({}, test::ipv4({.protocol = 17}, test::udp({}, Buffer(100, 'x'))));
  if (shape == "ipv6") return test::ethernet({}, test::ipv6({}, segment(true)));
  if (shape == "vxlan") {
    return test::ethernet({}, test::ipv4({.protocol = 17}, test::udp({.target_port = 4789}, test::vxlan(5, plain))));
  }
  return plain;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return std::fputs("usage: hoptap-decode-speed SHAPE BATCHES\n", stderr), 2;
  const Buffer frame = frame_of(arguments[1]);
  std::array<capture::Packet, 256> packets;
  packets.fill(test::packet_of(frame, 1));
  const std::array<capture::Interface, 1> interfaces{};
  std::array<decode::Decoded, 256> decoded;
  decode::Decoder decoder;
  for (int batch = std::atoi(arguments[2]); batch > 0; --batch) decoder.decode(packets, interfaces, decoded);
  std::printf("%s: %d packets\n", arguments[1], static_cast<int>(decoder.counters()[0] + decoder.counters()[1]));
  return 0;
}
