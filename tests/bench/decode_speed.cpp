// How many instructions decoding takes for packets of usual shapes: run by callgrind, twice, with other repeat counts,
// so that the difference is Decoder::decode() alone. Prints nothing but what it was asked for and the sum of the
// outcomes.
//
// usage: hoptap-decode-speed SHAPE BATCHES     SHAPE: tcp, tcp-plain, vlan, udp, ipv6, ipv6-udp, vxlan,
//                                              vxlan-udp, vxlan-vlan, walk (TCP as well, the long way)
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

std::map<std::string, Buffer> frames() {
  const test::EthernetFields in_vlan{.vlans = {{.id = 5}}};
  const Buffer datagram = test::udp({}, Buffer(100, 'x'));
  const Buffer tcp = test::ipv4({}, segment(true)), udp = test::ipv4({.protocol = 17}, datagram);
  const Buffer tcp6 = test::ipv6({}, segment(true)), udp6 = test::ipv6({.next_header = 17}, datagram);
  const auto in_vxlan = [](const Buffer& frame) {
    return test::ipv4({.protocol = 17}, test::udp({.target_port = 4789}, test::vxlan(5, frame)));
  };
  return {{"tcp", test::ethernet({}, tcp)},
          {"tcp-plain", test::ethernet({}, test::ipv4({}, segment(false)))},
          {"vlan", test::ethernet(in_vlan, tcp)},
          {"udp", test::ethernet({}, udp)},
          {"ipv6", test::ethernet({}, tcp6)},
          {"ipv6-udp", test::ethernet({}, udp6)},
          {"vxlan", test::ethernet({}, in_vxlan(test::ethernet({}, tcp)))},
          {"vxlan-udp", test::ethernet({}, in_vxlan(test::ethernet({}, udp)))},
          {"vxlan-vlan", test::ethernet({}, in_vxlan(test::ethernet(in_vlan, tcp)))},
          {"walk", test::ethernet({}, test::ipv4({.options = Buffer(4, 1)}, segment(true)))}};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return std::fputs("usage: hoptap-decode-speed SHAPE BATCHES\n", stderr), 2;
  const Buffer frame = frames().at(arguments[1]);
  std::array<capture::Packet, 256> packets;
  packets.fill(test::packet_of(frame, 1));
  const std::array<capture::Interface, 1> interfaces{};
  std::array<decode::Decoded, 256> decoded;
  decode::Decoder decoder;
  for (int batch = std::atoi(arguments[2]); batch > 0; --batch) decoder.decode(packets, interfaces, decoded);
  std::printf("%s: %d packets\n", arguments[1], static_cast<int>(decoder.counters()[0] + decoder.counters()[1]));
  return 0;
}
