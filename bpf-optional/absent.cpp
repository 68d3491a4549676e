// In place of all others in a build without eBPF.
#include "bpf-optional/head_tap.h"
#include "bpf-optional/socket_watch.h"

namespace hoptap::bpf {
namespace {

base::Failure absence() {
  return {.what =
              "eBPF is not built into this program: hoptap has it when clang and libbpf-dev are there as it is built, "
              "hoptap-probe is always without"};
}

}  // namespace

base::Outcome<std::unique_ptr<HeadTap>> HeadTap::open(const HeadTapConfig&) { return tl::unexpected(absence()); }
std::uint64_t HeadTap::ring_bytes(std::uint64_t asked_bytes) { return asked_bytes; }
base::Outcome<std::string> try_programs() { return tl::unexpected(absence()); }
base::Outcome<int> load_fanout_program() { return tl::unexpected(absence()); }
base::Outcome<std::unique_ptr<SocketWatch>> SocketWatch::open() { return tl::unexpected(absence()); }
base::Outcome<void> try_socket_watch() { return tl::unexpected(absence()); }

}  // namespace hoptap::bpf
