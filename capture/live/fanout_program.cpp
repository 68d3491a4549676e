#include "capture/live/fanout_program.h"

#include <cassert>
#include <cstdint>
#include <map>
#include <string_view>

namespace hoptap::capture {
namespace {

/// A program whose jumps name their targets; all are forward.
class Assembler {
 public:
  void add(unsigned code, std::uint32_t k = 0) { program_.push_back({static_cast<std::uint16_t>(code), 0, 0, k}); }

  /// Goes to `target` when A is k, else on.
  void jump_if(std::uint32_t k, std::string_view target) {
    open_.push_back({program_.size(), target, true});
    add(BPF_JMP | BPF_JEQ | BPF_K, k);
  }
  void jump_unless(std::uint32_t k, std::string_view target) {
    open_.push_back({program_.size(), target, false});
    add(BPF_JMP | BPF_JEQ | BPF_K, k);
  }
  void jump(std::string_view target) {
    open_.push_back({program_.size(), target, true});
    add(BPF_JMP | BPF_JA);
  }
  void label(std::string_view name) { labels_[name] = program_.size(); }

  std::vector<sock_filter> finish() {
    for (const Jump& jump : open_) {
      const std::size_t steps = labels_.at(jump.target) - jump.at - 1;
      sock_filter& line = program_[jump.at];
      assert(steps <= UINT8_MAX);
      if (BPF_OP(line.code) == BPF_JA) {
        line.k = static_cast<std::uint32_t>(steps);
      } else {
        (jump.when_equal ? line.jt : line.jf) = static_cast<std::uint8_t>(steps);
      }
    }
    return program_;
  }

 private:
  struct Jump {
    std::size_t at;
    std::string_view target;
    bool when_equal;
  };
  std::vector<sock_filter> program_;
  std::vector<Jump> open_;
  std::map<std::string_view, std::size_t> labels_;
};

// From the IP header on, wherever that is in the packet; `kAtX`: from X bytes behind its beginning.
constexpr std::uint32_t kIp = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr unsigned kByte = BPF_LD | BPF_B, kHalf = BPF_LD | BPF_H, kWord = BPF_LD | BPF_W;
constexpr unsigned kAbsolute = BPF_ABS, kAtX = BPF_IND;
constexpr unsigned kStore = BPF_ST, kLoad = BPF_LD | BPF_MEM, kLoadX = BPF_LDX | BPF_MEM, kStoreX = BPF_STX;
constexpr unsigned kAddK = BPF_ALU | BPF_ADD | BPF_K, kAndK = BPF_ALU | BPF_AND | BPF_K;
constexpr unsigned kLeft = BPF_ALU | BPF_LSH | BPF_K, kRight = BPF_ALU | BPF_RSH | BPF_K;
constexpr unsigned kXorX = BPF_ALU | BPF_XOR | BPF_X, kToX = BPF_MISC | BPF_TAX, kFromX = BPF_MISC | BPF_TXA;
constexpr std::uint32_t kHash = 0, kPlace = 1;  // cells of memory: the hash so far, and where the IPv4 header is

/// A = length of the IPv4 header at X.
void load_header_bytes(Assembler& out) {
  out.add(kByte | kAtX, kIp);
  out.add(kAndK, 0x0f);
  out.add(kLeft, 2);
}

/// X += so much, and on at `target`.
void go_inside(Assembler& out, std::uint32_t bytes, std::string_view target) {
  out.add(kFromX);
  out.add(kAddK, bytes);
  out.add(kToX);
  out.jump(target);
}

/// X = where the innermost known IPv4 header is, 0 for the outer one; then at "flow". IPv6 goes to "wide".
void find_flow(Assembler& out) {
  constexpr std::uint32_t kVxlanBytes = 8 + 8 + 14, kTypeInVxlan = kVxlanBytes - 2, kIpv4Type = 0x0800;
  out.add(kByte | kAbsolute, kIp);
  out.add(kRight, 4);
  out.jump_unless(4, "wide");
  out.add(BPF_LDX | BPF_IMM, 0);
  load_header_bytes(out);
  out.add(kToX);
  out.add(kByte | kAbsolute, kIp + 9);
  out.jump_if(4, "flow");  // IPIP: X is behind the outer header
  out.jump_if(17, "udp");
  out.jump_if(47, "gre");
  out.jump("outer");
  out.label("udp");
  out.add(kHalf | kAtX, kIp + 2);
  out.jump_if(4789, "vxlan");
  out.jump_unless(8472, "outer");
  out.label("vxlan");
  out.add(kHalf | kAtX, kIp + kTypeInVxlan);
  out.jump_unless(kIpv4Type, "outer");
  go_inside(out, kVxlanBytes, "flow");
  out.label("gre");
  out.add(kWord | kAtX, kIp);
  out.jump_unless(kIpv4Type, "outer");  // with flags there is more in front
  go_inside(out, 4, "flow");
  out.label("outer");
  out.add(BPF_LDX | BPF_IMM, 0);
}

/// Hash ^= the number of this size at X + at, ^ that at X + at + bytes: the same either way.
void mix_pair(Assembler& out, unsigned size, std::uint32_t at, std::uint32_t bytes) {
  out.add(kStoreX, kPlace);
  for (const std::uint32_t one : {at, at + bytes}) {
    out.add(kLoadX, kPlace);
    out.add(size | kAtX, kIp + one);
    out.add(kLoadX, kHash);
    out.add(kXorX);
    out.add(kStore, kHash);
  }
  out.add(kLoadX, kPlace);
}

}  // namespace

std::vector<sock_filter> inner_flow_program() {
  Assembler out;
  out.add(BPF_LD | BPF_IMM, 0);
  out.add(kStore, kHash);
  find_flow(out);
  out.label("flow");
  mix_pair(out, kWord, 12, 4);
  out.add(kByte | kAtX, kIp + 9);
  out.jump_if(6, "ports");
  out.jump_unless(17, "end");
  out.label("ports");
  out.add(kHalf | kAtX, kIp + 6);
  out.add(kAndK, 0x3fff);  // a fragment
  out.jump_unless(0, "end");
  load_header_bytes(out);
  out.add(BPF_ALU | BPF_ADD | BPF_X);
  out.add(kToX);
  mix_pair(out, kHalf, 0, 2);
  out.jump("end");
  out.label("wide");
  out.add(BPF_LDX | BPF_IMM, 0);
  mix_pair(out, kWord, 20, 16);  // the last words of both addresses
  out.label("end");
  out.add(kLoad, kHash);
  out.add(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);  // so that every bit of it is in the upper ones
  out.add(kRight, 16);
  out.add(BPF_RET | BPF_A);
  return out.finish();
}

}  // namespace hoptap::capture
