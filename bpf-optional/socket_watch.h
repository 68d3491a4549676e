// Learns which process has a socket when it connects, or of one that was accepted when it reads from it first; in the
// kernel, however short the connection is. Linux from 5.12 with BTF; in a build without eBPF (absent.cpp) it fails to
// open and says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/address.h"
#include "base/result.h"

namespace hoptap::bpf {

/// A TCP socket, once: when it is connected, or could not be, or is read from. And when it is closed: that also of one
/// that was not told of.
struct SocketEvent {
  base::Endpoint local;
  base::Endpoint remote;
  bool is_end = false;                  ///< it is closed: without process and control group
  std::uint64_t time_ns = 0;            ///< when it began to connect, was read from first, or closed; the host's clock
  std::uint64_t network_namespace = 0;  ///< inode
  std::uint64_t cgroup = 0;             ///< id in the hierarchy of version 2: the inode of its folder
  std::uint32_t pid = 0;                ///< of the process, as the host counts
  std::string command;                  ///< of its main thread, at most 15 bytes
};

/// Used by one thread. Nothing of it stays in the kernel when it goes, however that happens.
class SocketWatch {
 public:
  static constexpr std::uint32_t kRingBytes = 1u << 20;  ///< some 10,000 events that were not read yet

  /// Needs CAP_BPF and CAP_PERFMON, now only: reading needs none.
  [[nodiscard]] static base::Outcome<std::unique_ptr<SocketWatch>> open();
  virtual ~SocketWatch() = default;

  /// What has happened since. Makes no system calls. @return events
  virtual std::size_t read(const std::function<void(const SocketEvent&)>& take) = 0;

  virtual std::uint64_t lost() const = 0;  ///< events that found no room
};

/// Whether the kernel takes the programs, without attaching them to anything.
[[nodiscard]] base::Outcome<void> try_socket_watch();

}  // namespace hoptap::bpf
