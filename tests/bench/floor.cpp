// What any reader of a pcap file must at least do, as the floor that ratios are taken against.
//
// usage: hoptap-floor pcap|walk|flow FILE    FILE: little-endian pcap of Ethernet frames
//   pcap   libpcap's pcap_loop with a callback that adds up the lengths
//   walk   map the file, step from record to record, add up the lengths
//   flow   the same, and read Ethernet, VLAN, IP, TCP and UDP, through VXLAN too, and update a flow in a flat
//          table: packets, bytes, next sequence number, segments out of order. Nothing is kept beside that.
#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace {

struct Sums {
  std::uint64_t packets = 0, bytes = 0, flows = 0, out_of_order = 0;
};

// As they lie in memory: enough to compare, and what a little-endian file needs.
std::uint16_t raw16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint32_t raw32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint32_t be16(const std::uint8_t* at) { return __builtin_bswap16(raw16(at)); }
std::uint32_t be32(const std::uint8_t* at) { return __builtin_bswap32(raw32(at)); }

/// Both ends in a fixed order: 48 bits of address and port, and the protocol above those of the low one.
struct Key4 {
  std::uint64_t low, high;
  bool operator==(const Key4& other) const { return low == other.low && high == other.high; }
  bool free() const { return low == 0; }
  std::uint64_t hash() const {
    const auto product = static_cast<unsigned __int128>(low ^ 0x9e3779b97f4a7c15) * (high ^ 0xd6e8feb86659fd93);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
};
struct Key6 {
  std::uint64_t address[4];
  std::uint64_t ports;  ///< and the protocol; never 0
  bool operator==(const Key6& other) const { return std::memcmp(this, &other, sizeof other) == 0; }
  bool free() const { return ports == 0; }
  std::uint64_t hash() const {
    return Key4{address[0] ^ address[1] * 3 ^ ports, address[2] ^ address[3] * 5 ^ ports << 7}.hash();
  }
};

struct Counts {
  std::uint32_t packets[2], next[2];
  std::uint64_t bytes[2];
};

/// Open addressing, at most half full.
template <class Key>
class Flows {
 public:
  Counts& of(const Key& key) {
    std::size_t at = key.hash() & mask_;
    while (!(slots_[at].key == key)) {
      if (slots_[at].key.free()) return make(key);
      at = (at + 1) & mask_;
    }
    return slots_[at].counts;
  }
  std::size_t size() const { return used_; }

 private:
  struct alignas(64) Slot {
    Key key;
    Counts counts;
  };
  Slot& slot(const Key& key) {
    std::size_t at = key.hash() & mask_;
    while (!slots_[at].key.free()) at = (at + 1) & mask_;
    slots_[at].key = key;
    return slots_[at];
  }
  [[gnu::noinline]] Counts& make(const Key& key) {
    if (++used_ * 2 > slots_.size()) {
      std::vector<Slot> old(slots_.size() * 2);
      old.swap(slots_);
      mask_ = slots_.size() - 1;
      for (const Slot& each : old)
        if (!each.key.free()) slot(each.key).counts = each.counts;
    }
    return slot(key).counts;
  }
  std::vector<Slot> slots_{1u << 16};
  std::size_t mask_ = (1u << 16) - 1;
  std::size_t used_ = 0;
};

struct Tables {
  Flows<Key4> v4;
  Flows<Key6> v6;
};

constexpr std::uint32_t kTcp = 6, kUdp = 17;
constexpr std::uint16_t as_raw(std::uint16_t value) { return static_cast<std::uint16_t>(value >> 8 | value << 8); }
constexpr std::uint16_t kIp4 = as_raw(0x0800), kIp6 = as_raw(0x86dd), kVlan = as_raw(0x8100),
                        kOuterVlan = as_raw(0x88a8), kVxlan = as_raw(4789), kFragmentBits = as_raw(0x3fff);

void update(Counts& counts, std::size_t sender, const std::uint8_t* transport, std::uint32_t transport_bytes,
            bool is_tcp, Sums& sums) {
  ++counts.packets[sender];
  if (!is_tcp) {
    counts.bytes[sender] += transport_bytes - 8;
    return;
  }
  const std::uint32_t payload = transport_bytes - (transport[12] >> 4) * 4u, sequence = be32(transport + 4);
  const std::uint32_t flags = transport[13];
  counts.bytes[sender] += payload;
  if (payload == 0 && (flags & 3) == 0) return;
  if (sequence != counts.next[sender] && counts.next[sender] != 0) ++sums.out_of_order;
  counts.next[sender] = sequence + payload + (flags & 1) + (flags >> 1 & 1);
}

/// IPv6 without extension headers; kept out of the way of IPv4.
[[gnu::noinline]] void take_v6(Tables& tables, const std::uint8_t* ip, std::uint32_t left, Sums& sums) {
  const std::uint32_t protocol = ip[6];
  if (left < 60 || (protocol != kTcp && protocol != kUdp)) return;
  const std::uint8_t* transport = ip + 40;
  Key6 key;
  std::memcpy(key.address, ip + 8, sizeof key.address);
  std::uint64_t source = be16(transport), target = be16(transport + 2);
  const int order = std::memcmp(ip + 8, ip + 24, 16);
  const std::size_t sender = order < 0 || (order == 0 && source <= target) ? 0 : 1;
  if (sender == 1) {
    std::memcpy(key.address, ip + 24, 16);
    std::memcpy(key.address + 2, ip + 8, 16);
    std::swap(source, target);
  }
  key.ports = std::uint64_t{protocol} << 32 | source << 16 | target;
  update(tables.v6.of(key), sender, transport, be16(ip + 4), protocol == kTcp, sums);
}

void take(Tables& tables, const std::uint8_t* frame, std::uint32_t left, Sums& sums) {
  constexpr std::uint32_t kEthernet = 14, kTcpLeast = 20, kVxlanHead = 16;
  while (left >= kEthernet + 20 + 8) {
    const std::uint8_t* ip = frame + kEthernet;
    left -= kEthernet;
    std::uint32_t type = raw16(frame + 12);
    while (type != kIp4) [[unlikely]] {
        if (type == kIp6) return take_v6(tables, ip, left, sums);
        if ((type != kVlan && type != kOuterVlan) || (left -= 4) < 20 + 8) return;
        type = raw16(ip + 2);
        ip += 4;
      }
    const std::uint32_t ip_header = (ip[0] & 15u) * 4, protocol = ip[9];
    if ((raw16(ip + 6) & kFragmentBits) != 0 || left < ip_header + 8) return;
    const std::uint8_t* transport = ip + ip_header;
    if (protocol == kUdp && raw16(transport + 2) == kVxlan && left > ip_header + kVxlanHead) {
      frame = transport + kVxlanHead;
      left -= ip_header + kVxlanHead;
      continue;
    }
    const bool is_tcp = protocol == kTcp;
    if (is_tcp ? left < ip_header + kTcpLeast : protocol != kUdp) return;
    Key4 key{std::uint64_t{raw32(ip + 12)} << 16 | raw16(transport),
             std::uint64_t{raw32(ip + 16)} << 16 | raw16(transport + 2)};
    const std::size_t sender = key.low <= key.high ? 0 : 1;
    if (sender == 1) std::swap(key.low, key.high);
    key.low |= std::uint64_t{protocol} << 48;
    return update(tables.v4.of(key), sender, transport, be16(ip + 2) - ip_header, is_tcp, sums);
  }
}

/// The mapped file; pages behind are let go of, so that memory stays small.
template <class Use>
bool walk(const char* path, Sums& sums, Use use) {
  constexpr std::size_t kFileHeader = 24, kRecordHeader = 16, kReleaseBytes = 16u << 20;
  const int file = open(path, O_RDONLY);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) return false;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) return false;
  madvise(mapped, size, MADV_SEQUENTIAL);
  auto* const begin = static_cast<std::uint8_t*>(mapped);
  const std::uint8_t* at = begin + kFileHeader;
  const std::uint8_t* const end = begin + size;
  std::uint8_t* released = begin;
  const std::uint8_t* release_at = begin + 2 * kReleaseBytes;
  std::uint64_t packets = 0, bytes = 0;
  while (end - at >= static_cast<std::ptrdiff_t>(kRecordHeader)) {
    const std::uint32_t captured = raw32(at + 8);
    const std::uint8_t* const frame = at + kRecordHeader;
    if (end - frame < static_cast<std::ptrdiff_t>(captured)) break;
    at = frame + captured;
    __builtin_prefetch(at + kRecordHeader);  // where the next record is, if this one does not end the file
    use(frame, captured);
    ++packets;
    bytes += captured;
    if (at < release_at) continue;
    madvise(released, kReleaseBytes, MADV_DONTNEED);
    released += kReleaseBytes;
    release_at += kReleaseBytes;
  }
  sums.packets = packets;
  sums.bytes = bytes;
  return true;
}

bool loop(const char* path, Sums& sums) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* const source = pcap_open_offline(path, error);
  if (source == nullptr) return false;
  const auto count = [](unsigned char* user, const pcap_pkthdr* header, const unsigned char*) {
    auto& to = *reinterpret_cast<Sums*>(user);
    ++to.packets;
    to.bytes += header->caplen;
  };
  pcap_loop(source, -1, count, reinterpret_cast<unsigned char*>(&sums));
  pcap_close(source);
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view mode = count == 3 ? arguments[1] : "";
  Sums sums;
  bool done = false;
  if (mode == "pcap") {
    done = loop(arguments[2], sums);
  } else if (mode == "walk") {
    done = walk(arguments[2], sums, [](const std::uint8_t*, std::uint32_t) {});
  } else if (mode == "flow") {
    Tables tables;
    done = walk(arguments[2], sums,
                [&](const std::uint8_t* frame, std::uint32_t captured) { take(tables, frame, captured, sums); });
    sums.flows = tables.v4.size() + tables.v6.size();
  } else {
    std::fprintf(stderr, "usage: hoptap-floor pcap|walk|flow FILE\n");
    return 2;
  }
  std::printf("%llu packets, %llu bytes, %llu flows, %llu out of order\n",
              static_cast<unsigned long long>(sums.packets), static_cast<unsigned long long>(sums.bytes),
              static_cast<unsigned long long>(sums.flows), static_cast<unsigned long long>(sums.out_of_order));
  return done ? 0 : 3;
}
