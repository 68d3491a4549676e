#include "capture/bpf_program.h"

#include <pcap/pcap.h>

namespace hoptap::capture {
namespace {

constexpr LinkType kRaw = 101;

/// libpcap compiles for DLT_ numbers, which differ from LINKTYPE_ ones for raw IP.
int dlt_of(LinkType link_type) { return link_type == kRaw ? DLT_RAW : link_type; }

}  // namespace

void FreeBpfProgram::operator()(bpf_program* program) const {
  pcap_freecode(program);
  delete program;
}

base::Outcome<BpfProgram> compile_bpf(LinkType link_type, const std::string& expression, std::uint32_t snap_bytes) {
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(
      pcap_open_dead(dlt_of(link_type), static_cast<int>(snap_bytes)), &pcap_close);
  if (handle == nullptr) return tl::unexpected(base::Failure{.what = "out of memory"});
  auto raw = std::make_unique<bpf_program>();
  if (pcap_compile(handle.get(), raw.get(), expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return tl::unexpected(base::Failure{.what = pcap_geterr(handle.get())});
  }
  return BpfProgram(raw.release());
}

}  // namespace hoptap::capture
