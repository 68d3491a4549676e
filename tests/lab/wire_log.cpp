#include "tests/lab/wire_log.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>

namespace hoptap::lab {
namespace {

std::string endpoint(std::uint32_t address, std::uint16_t port) {
  const in_addr raw{htonl(address)};
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &raw, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(port);
}

void write(std::FILE* file, const Entry& entry) {
  const Identity& identity = entry.identity;
  const std::string source = endpoint(identity.source_address, identity.source_port);
  const std::string target = endpoint(identity.target_address, identity.target_port);
  std::fprintf(file, "%llu\t%llu\t%s\t%s\t%zu\t%s\t%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%s\n",
               static_cast<unsigned long long>(entry.ingress_ns), static_cast<unsigned long long>(entry.egress_ns),
               entry.direction == 0 ? "ab" : "ba", entry.action, entry.frame_bytes, identity.tunnel, identity.transport,
               source.c_str(), target.c_str(), identity.ip_id, identity.sequence, identity.ack, identity.payload_bytes,
               identity.tcp_flags, identity.dns_id, identity.label[0] != 0 ? identity.label.data() : "-");
}

}  // namespace

void Log::add(const Entry& entry) {
  if (entries_.size() < kEntriesMax)
    entries_.push_back(entry);
  else
    ++refused_;
}

bool Log::dump(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file,
               "#ingress_ns\tegress_ns\tdirection\taction\tframe_bytes\ttunnel\ttransport\tsource\ttarget\t"
               "ip_id\tsequence\tack\tpayload_bytes\ttcp_flags\tdns_id\tlabel\n");
  for (const Entry& entry : entries_) write(file, entry);
  if (refused_ > 0) std::fprintf(file, "#refused\t%zu\n", refused_);
  entries_.clear();
  refused_ = 0;
  return std::fclose(file) == 0;
}

}  // namespace hoptap::lab
