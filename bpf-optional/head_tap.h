// Taps an interface in the kernel: the head of each packet is copied into a ring, bodies are left out, and nobody is
// woken for it. So the programs on the host pay less than for a packet socket, which gets all bytes of all packets.
// Linux from 5.12; in a build without eBPF (absent.cpp) it fails to open and says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "capture/source.h"

namespace hoptap::bpf {

struct HeadTapConfig {
  int interface_index = 0;
  bool is_ethernet = true;     ///< else its packets begin with the IP header
  bool takes_outgoing = true;  ///< what this host sends, too
  /// Bytes of TCP payload that are copied from where a message begins: where its sender acknowledges something else
  /// than before, and behind a segment with PSH. Of longer packets half of it; see answer_bytes(). 0: headers alone. Of
  /// other packets so much, but at least kHeadBytes, of what follows the last header that is understood.
  std::uint32_t head_bytes = kHeadBytes;
  std::uint32_t snap_bytes = kSnapBytesMax;  ///< of any packet, headers included
  std::uint64_t ring_bytes = 64u << 20;      ///< see HeadTap::ring_bytes()
  bool only_by_filter = false;               ///< as kernels before 6.6 do, which leaves more behind when killed

  static constexpr std::uint32_t kHeadBytes = 4096, kSnapBytesMax = 65536, kRingMibMax = 1024;

  /// The same of answers of HTTP/1: the status, and of the headers what stands first. And of packets with more payload
  /// than head_bytes in the middle of a message.
  std::uint32_t answer_bytes() const { return std::max<std::uint32_t>(512, head_bytes / 8); }
};

struct HeadTapCounts {
  std::uint64_t seen = 0;        ///< packets, once all are read: read + dropped + unreadable
  std::uint64_t dropped = 0;     ///< the ring was full, or the program was interrupted by itself (PREEMPT_RT)
  std::uint64_t unreadable = 0;  ///< their bytes could not be had
};

/// Used by one thread.
class HeadTap {
 public:
  /// In the interface's network namespace. Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. The failure is a line without
  /// the interface's name.
  [[nodiscard]] static base::Outcome<std::unique_ptr<HeadTap>> open(const HeadTapConfig& config);

  /// What a ring of so many bytes takes: whole chunks of it, at least two for each CPU of the machine, at most 1 GiB.
  [[nodiscard]] static std::uint64_t ring_bytes(std::uint64_t asked_bytes);

  /// Nothing of it stays at the interface. Call it in the interface's network namespace when is_filter(), with
  /// CAP_NET_ADMIN.
  virtual ~HeadTap() = default;

  /// Packets stay valid until the next poll().
  virtual std::size_t poll(std::span<capture::Packet> batch) = 0;

  /// Sleeps until packets are there, or `timeout_ms` are over; looks each `every_ms`, more often when much comes.
  virtual bool wait(int timeout_ms, int every_ms) = 0;

  virtual void close_intake() = 0;  ///< packets pass by uncounted from now on
  virtual HeadTapCounts counts() const = 0;
  virtual bool is_filter() const = 0;
};

/// Whether the kernel takes the programs, without attaching them to anything. What it would do, in words.
[[nodiscard]] base::Outcome<std::string> try_programs();

/// A program for Fanout::program in capture/: both directions of a connection to one member, in tunnels of IPv4 and
/// IPv6, GRE with keys, Geneve, VXLAN, ERSPAN I, behind VLAN tags and extension headers; what one switch mirrors in
/// numbered packets stays together. @return its descriptor, to be closed by the caller. Needs CAP_BPF and
/// CAP_NET_ADMIN, now only.
[[nodiscard]] base::Outcome<int> load_fanout_program();

}  // namespace hoptap::bpf
