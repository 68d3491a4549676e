#include "capture/filter.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <cassert>
#include <utility>

namespace hoptap::capture {
namespace {

constexpr LinkType kEthernet = 1;

}  // namespace

PacketFilter::PacketFilter(std::string expression) : expression_(std::move(expression)) {}
PacketFilter::PacketFilter(PacketFilter&&) noexcept = default;
PacketFilter& PacketFilter::operator=(PacketFilter&&) noexcept = default;
PacketFilter::~PacketFilter() = default;

base::Outcome<PacketFilter> PacketFilter::compile(std::string expression) {
  PacketFilter filter(std::move(expression));
  auto program = compile_bpf(kEthernet, filter.expression_);
  if (!program) {
    return tl::unexpected(
        base::Failure{.what = fmt::format("filter '{}': {}", filter.expression_, program.error().what)});
  }
  filter.programs_[kEthernet] = *std::move(program);
  return filter;
}

const bpf_program* PacketFilter::program_for(LinkType link_type) {
  const auto known = programs_.find(link_type);
  if (known != programs_.end()) return known->second.get();
  auto program = compile_bpf(link_type, expression_);
  if (!program) {
    complaint_ =
        fmt::format("filter '{}' matches nothing of link type {}: {}", expression_, link_type, program.error().what);
  }
  return (programs_[link_type] = program ? *std::move(program) : nullptr).get();
}

std::size_t PacketFilter::apply(std::span<Packet> batch, std::span<const Interface> interfaces) {
  std::size_t kept = 0;
  const bpf_program* program = nullptr;
  std::size_t program_interface = interfaces.size();  // none yet
  for (const Packet& packet : batch) {
    assert(packet.interface_id < interfaces.size());
    if (packet.interface_id != program_interface) {
      program_interface = packet.interface_id;
      program = program_for(interfaces[program_interface].link_type);
    }
    if (program == nullptr) continue;
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(packet.bytes.size());
    header.len = packet.wire_bytes;
    if (pcap_offline_filter(program, &header, packet.bytes.data()) != 0) batch[kept++] = packet;
  }
  filtered_packets_ += batch.size() - kept;
  return kept;
}

}  // namespace hoptap::capture
