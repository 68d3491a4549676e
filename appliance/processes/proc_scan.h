// Who holds which socket now, by /proc: the tables of sockets of every network namespace, and the descriptors of every
// process. Linux from 3.8; finds what is open while it looks. One thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/processes/socket_owners.h"

namespace hoptap::appliance {

struct ProcSocket {
  SocketKey key;
  std::uint64_t inode = 0;
};

/// The connected sockets of a file /proc/net/tcp, tcp6, udp or udp6 (proc(5)). Lines that are none, those that listen
/// and those without a holder (TIME_WAIT) are passed over. `network_namespace`: whose the file is.
void each_proc_socket(std::string_view text, std::uint8_t transport, std::uint64_t network_namespace,
                      const std::function<void(const ProcSocket&)>& take);

/// Inode of the socket that a descriptor's link names, "socket:[4711]"; 0: it is something else.
std::uint64_t inode_of_link(std::string_view link);

struct HeldSocket {
  SocketKey key;
  std::uint64_t network_namespace = 0;
  std::uint64_t inode = 0;
  std::shared_ptr<const flowtable::Process> process;
};

struct ProcCounts {
  std::uint64_t processes = 0;   ///< looked at
  std::uint64_t unreadable = 0;  ///< of them, those whose descriptors may not be seen
  std::uint64_t left_out = 0;    ///< sockets above SocketOwners::kSocketsMax
};

class ProcScan {
 public:
  explicit ProcScan(std::string root = "/proc") : root_(std::move(root)) {}

  /// Every connected socket with its holder: the process of the lowest id, where several have it.
  std::vector<HeldSocket> look();

  const ProcCounts& counts() const { return counts_; }  ///< of the last look()

 private:
  using Tables = boost::unordered_flat_map<std::uint64_t, HeldSocket>;  ///< by inode

  void read_tables(const std::string& process, std::uint64_t network_namespace);
  void read_descriptors(const std::string& process, std::uint32_t pid, std::vector<HeldSocket>& held);
  std::shared_ptr<const flowtable::Process> describe(const std::string& process, std::uint32_t pid);

  std::string root_;
  Tables unheld_;  ///< of this look: no holder was found yet
  boost::unordered_flat_map<std::uint32_t, std::shared_ptr<const flowtable::Process>> known_;  ///< of the last
  boost::unordered_flat_map<std::uint32_t, std::shared_ptr<const flowtable::Process>> seen_;   ///< of this look
  ProcCounts counts_;
};

/// Of a small file; "" when it cannot be read.
std::string read_proc_file(const std::string& path);

/// Inode of a network namespace, by the path of what stands for it (/proc/self/ns/net, /run/netns/pod-a); 0: none, and
/// errno says why.
std::uint64_t namespace_inode(const std::string& path);

}  // namespace hoptap::appliance
