// What any reader of a pcap file must at least do, as the floor that ratios are taken against.
//
// usage: hoptap-floor walk|flow FILE    FILE: little-endian pcap of Ethernet frames
//   walk   map the file, step from record to record, add up the lengths
//   flow   the same, and read Ethernet, IPv4 and TCP, and update a flow in a flat table
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"

namespace {

using hoptap::base::Bytes;
using hoptap::base::load_be;
using hoptap::base::load_le;

struct Key {
  std::uint64_t addresses = 0;
  std::uint32_t ports = 0;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const { return hoptap::base::hash_values(key.addresses, key.ports); }
};
struct Flow {
  std::uint64_t packets[2]{}, bytes[2]{};
  std::uint32_t next[2]{};
};
using Flows = boost::unordered_flat_map<Key, Flow, KeyHash>;

/// Counts one Ethernet frame's TCP segment into its flow.
void update(Flows& flows, Bytes frame) {
  constexpr std::size_t kEthernet = 14, kIpLeast = 20, kTcpLeast = 20;
  if (frame.size() < kEthernet + kIpLeast + kTcpLeast || load_be(frame.subspan(12, 2)) != 0x0800) return;
  const Bytes ip = frame.subspan(kEthernet);
  const std::size_t ip_header = (ip[0] & 15u) * 4u;
  if (ip[9] != 6 || ip_header + kTcpLeast > ip.size()) return;
  const Bytes tcp = ip.subspan(ip_header);
  std::uint64_t source = load_be(ip.subspan(12, 4)), target = load_be(ip.subspan(16, 4));
  std::uint64_t source_port = load_be(tcp.first(2)), target_port = load_be(tcp.subspan(2, 2));
  const int direction = source < target || (source == target && source_port < target_port) ? 0 : 1;
  if (direction == 1) {
    std::swap(source, target);
    std::swap(source_port, target_port);
  }
  Flow& flow = flows[{source << 32 | target, static_cast<std::uint32_t>(source_port << 16 | target_port)}];
  const auto length = static_cast<std::uint32_t>(load_be(ip.subspan(2, 2)) - ip_header - (tcp[12] >> 4) * 4u);
  ++flow.packets[direction];
  flow.bytes[direction] += length;
  flow.next[direction] = static_cast<std::uint32_t>(load_be(tcp.subspan(4, 4))) + length;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: hoptap-floor walk|flow FILE\n");
    return 2;
  }
  const bool with_flows = std::string_view(arguments[1]) == "flow";
  const int file = open(arguments[2], O_RDONLY);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) return 3;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (mapped == MAP_FAILED) return 3;
  madvise(mapped, size, MADV_SEQUENTIAL);
  const Bytes all(static_cast<const std::uint8_t*>(mapped), size);
  constexpr std::size_t kFileHeader = 24, kRecordHeader = 16;
  std::uint64_t packets = 0, bytes = 0;
  Flows flows;
  for (std::size_t at = kFileHeader; at + kRecordHeader <= size;) {
    const std::size_t captured = load_le(all.subspan(at + 8, 4));
    if (at + kRecordHeader + captured > size) break;
    if (with_flows) update(flows, all.subspan(at + kRecordHeader, captured));
    ++packets;
    bytes += captured;
    at += kRecordHeader + captured;
  }
  std::printf("%llu packets, %llu bytes, %zu flows\n", static_cast<unsigned long long>(packets),
              static_cast<unsigned long long>(bytes), flows.size());
}
