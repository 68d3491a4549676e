// k310 COMMAND [ARGUMENTS]: runs a command for which the kernel has nothing that Linux 3.10 has not.
//
// A seccomp filter, set by prctl and inherited by all that the command starts, refuses what came later: system calls,
// socket families, options, flags. It answers as 3.10 would (ENOSYS, ENOPROTOOPT, ...). `k310 --list` prints the table.
//
// It shows that a program does without what is missing. It does NOT show how 3.10 behaves where it behaves differently:
// - the kernel below is today's: its timings, its packet rings and their quirks, its TCP, /proc and /sys are
// not 3.10's;
// - a filter sees numbers, not what pointers point to: PACKET_FANOUT's modes, flags of epoll_event, clone3's and
// netlink's
//   attributes, the actions of seccomp filters and most ioctls pass;
// - flags that 3.10 ignored without a word pass too (MAP_FIXED_NOREPLACE, CLONE_PIDFD, MSG_ZEROCOPY);
// - uname() tells the truth.
//
// Vanilla 3.10. Red Hat's 3.10.0 has more (getrandom, memfd_create, SO_BUSY_POLL and others): what runs here needs none
// of it. Checked against <asm/unistd_64.h>, whose numbers grow with time, and the headers of 3.10's include/uapi.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#ifndef __x86_64__
#error "the table is that of x86-64"
#endif

namespace {

constexpr std::uint32_t kAll = 0xffffffff;
constexpr int kLastCall = 313;  // finit_module, 3.8; what follows: sched_setattr 314, 3.14

/// A call is refused when its argument, masked, lies in a range; if `where` is not -1, only when that argument equals
/// `is`.
struct Refusal {
  int call;
  int where;
  std::uint32_t is;
  int argument;
  std::uint32_t mask, first, last;
  int error;
  const char* what;  ///< and since which kernel there is such a thing
};

/// Values of an argument.
constexpr Refusal values(int call, int argument, std::uint32_t first, std::uint32_t last, int error, const char* what) {
  return {call, -1, 0, argument, kAll, first, last, error, what};
}
/// Any of some bits of an argument.
constexpr Refusal bits(int call, int argument, std::uint32_t mask, int error, const char* what) {
  return {call, -1, 0, argument, mask, 1, kAll, error, what};
}
/// Options of setsockopt or getsockopt at a level.
constexpr Refusal option(int call, int level, std::uint32_t first, std::uint32_t last, const char* what) {
  return {call, 1, static_cast<std::uint32_t>(level), 2, kAll, first, last, ENOPROTOOPT, what};
}

constexpr int kSolNetlink = 270, kSolPacket = 263, kTcp = 6, kUdp = 17, kIp = 0, kIpv6 = 41;
constexpr std::uint32_t kTmpfile = 020000000;  // __O_TMPFILE, without O_DIRECTORY

constexpr Refusal kRefusals[] = {
    // AF_VSOCK 40 (3.9) is 3.10's last; 27 and 28 were gaps
    values(SYS_socket, 0, 41, kAll, EAFNOSUPPORT, "AF_KCM 4.6, AF_QIPCRTR 4.7, AF_SMC 4.11, AF_XDP 4.18, AF_MCTP 5.15"),
    values(SYS_socket, 0, 27, 28, EAFNOSUPPORT, "AF_IB 3.11, AF_MPLS 4.1"),
    values(SYS_socketpair, 0, 41, kAll, EAFNOSUPPORT, "the same"),
    {SYS_socket, 0, AF_NETLINK, 2, kAll, 22, kAll, EPROTONOSUPPORT, "after NETLINK_CRYPTO 3.2: NETLINK_SMC"},
    {SYS_socket, 0, AF_INET, 2, kAll, 256, kAll, EPROTONOSUPPORT, "IPPROTO_MPTCP 5.6"},
    {SYS_socket, 0, AF_INET6, 2, kAll, 256, kAll, EPROTONOSUPPORT, "IPPROTO_MPTCP 5.6"},

    // SO_SELECT_ERR_QUEUE 45 (3.10) is the last
    option(SYS_setsockopt, SOL_SOCKET, 46, kAll, "SO_BUSY_POLL 3.11, SO_MAX_PACING_RATE 3.13, SO_ATTACH_BPF 3.19, ..."),
    option(SYS_getsockopt, SOL_SOCKET, 46, kAll,
           "the same, SO_INCOMING_CPU 3.19, SO_MEMINFO 4.12, SO_COOKIE 4.12, ..."),
    // PACKET_TX_HAS_OFF 19 (3.8) is the last
    option(SYS_setsockopt, kSolPacket, 20, kAll, "PACKET_QDISC_BYPASS 3.14, _FANOUT_DATA 4.3, _IGNORE_OUTGOING 4.20"),
    option(SYS_getsockopt, kSolPacket, 20, kAll, "the same, PACKET_ROLLOVER_STATS 4.2"),
    // TCP_TIMESTAMP 24 (3.9) is the last
    option(SYS_setsockopt, kTcp, 25, kAll, "TCP_NOTSENT_LOWAT 3.12, TCP_SAVE_SYN 4.2, TCP_ULP 4.13, TCP_INQ 4.18, ..."),
    option(SYS_getsockopt, kTcp, 25, kAll, "the same, TCP_CC_INFO 4.1, TCP_ZEROCOPY_RECEIVE 4.18"),
    // UDP_ENCAP 100 is the last
    option(SYS_setsockopt, kUdp, 101, kAll, "UDP_NO_CHECK6_TX 3.16, UDP_SEGMENT 4.18, UDP_GRO 5.0"),
    option(SYS_getsockopt, kUdp, 101, kAll, "the same"),
    // IP_NODEFRAG 22, then the group options from 32 to IP_UNICAST_IF 50 (3.4); iptables from 64
    option(SYS_setsockopt, kIp, 23, 31, "IP_CHECKSUM 4.0, IP_BIND_ADDRESS_NO_PORT 4.2, IP_RECVFRAGSIZE 4.10, ..."),
    option(SYS_getsockopt, kIp, 23, 31, "the same"),
    option(SYS_setsockopt, kIp, 51, 63, "IP_LOCAL_PORT_RANGE 6.3"),
    option(SYS_getsockopt, kIp, 51, 63, "the same"),
    // gaps of 3.10, then IPV6_UNICAST_IF 76 (3.4), and ip6tables' original destination 80 (3.7)
    option(SYS_setsockopt, kIpv6, 29, 31, "IPV6_MULTICAST_ALL 4.20 and later ones"),
    option(SYS_setsockopt, kIpv6, 36, 36, "IPV6_HDRINCL 4.16"),
    option(SYS_setsockopt, kIpv6, 70, 70, "IPV6_AUTOFLOWLABEL 3.17"),
    option(SYS_setsockopt, kIpv6, 77, 79, "IPV6_RECVFRAGSIZE 4.10, later IPV6_FREEBIND"),
    option(SYS_getsockopt, kIpv6, 29, 31, "the same"),
    option(SYS_getsockopt, kIpv6, 36, 36, "the same"),
    option(SYS_getsockopt, kIpv6, 70, 70, "the same"),
    option(SYS_getsockopt, kIpv6, 77, 79, "the same"),
    // NETLINK_TX_RING 7 (3.10) is the last
    option(SYS_setsockopt, kSolNetlink, 8, kAll, "NETLINK_LISTEN_ALL_NSID 4.2, _CAP_ACK 4.3, _EXT_ACK 4.12, ..."),
    option(SYS_getsockopt, kSolNetlink, 8, kAll, "the same, NETLINK_LIST_MEMBERSHIPS 4.2"),
    // SOL_ALG 279 is the last of use
    values(SYS_setsockopt, 1, 281, kAll, ENOPROTOOPT, "SOL_KCM 4.6, SOL_TLS 4.13, SOL_XDP 4.18, SOL_MPTCP, ..."),
    values(SYS_getsockopt, 1, 281, kAll, ENOPROTOOPT, "the same"),

    values(SYS_madvise, 2, 5, 8, EINVAL, "MADV_FREE 4.5"),
    values(SYS_madvise, 2, 18, 99, EINVAL, "MADV_WIPEONFORK 4.14, MADV_COLD 5.4, MADV_POPULATE_READ 5.14, ..."),
    values(SYS_madvise, 2, 102, kAll, EINVAL, "MADV_GUARD_INSTALL 6.13"),
    {SYS_mmap, -1, 0, 3, 3, 3, 3, EINVAL, "MAP_SHARED_VALIDATE 4.15"},
    values(SYS_fcntl, 1, 36, 38, EINVAL, "F_OFD_GETLK 3.15"),
    values(SYS_fcntl, 1, 1027, 1028, EINVAL, "F_DUPFD_QUERY 6.10, F_CREATED_QUERY 6.12"),
    values(SYS_fcntl, 1, 1033, kAll, EINVAL, "F_ADD_SEALS 3.17, F_GET_RW_HINT 4.13"),
    // without O_TMPFILE's own bit 3.10 sees a folder opened for writing
    bits(SYS_open, 1, kTmpfile, EISDIR, "O_TMPFILE 3.11"),
    bits(SYS_openat, 2, kTmpfile, EISDIR, "O_TMPFILE 3.11"),
    values(SYS_fallocate, 1, 4, kAll, EOPNOTSUPP, "FALLOC_FL_COLLAPSE_RANGE 3.15, _ZERO_RANGE 3.15, _INSERT_RANGE 4.1"),
    // PR_GET_TID_ADDRESS 40 (3.5) is the last, and Yama's PR_SET_PTRACER 0x59616d61 (3.4)
    values(SYS_prctl, 0, 41, 0x59616d60, EINVAL, "PR_SET_THP_DISABLE 3.15, PR_CAP_AMBIENT 4.3, PR_SET_VMA 5.17, ..."),
    values(SYS_prctl, 0, 0x59616d62, kAll, EINVAL, "others"),
    values(SYS_timerfd_create, 0, 2, kAll, EINVAL, "CLOCK_REALTIME_ALARM 3.11, CLOCK_BOOTTIME 3.15"),
    {SYS_futex, -1, 0, 1, 0x7f, 13, 0x7f, ENOSYS, "FUTEX_LOCK_PI2 5.14"},
    bits(SYS_unshare, 0, 0x02000080, EINVAL, "CLONE_NEWCGROUP 4.6, CLONE_NEWTIME 5.6"),
    bits(SYS_setns, 1, 0x02000080, EINVAL, "the same"),
    bits(SYS_perf_event_open, 4, 8, EINVAL, "PERF_FLAG_FD_CLOEXEC 3.14"),
};

class Program {
 public:
  Program() {
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);  // 32-bit programs: nothing is known of them here
    load(offsetof(seccomp_data, nr));
    // x32's have a bit of their own above all others, so this refuses them too
    add(BPF_JMP | BPF_JGT | BPF_K, kLastCall, 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    for (const Refusal& refusal : kRefusals) add(refusal);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }

  /// @return whether the kernel took it
  bool install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
  }

 private:
  void add(unsigned code, std::uint32_t value, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, value});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  /// The lower half, which is all that calls with int arguments look at.
  void load_argument(int index) {
    load(offsetof(seccomp_data, args) + sizeof(std::uint64_t) * static_cast<std::size_t>(index));
  }
  void add(const Refusal& refusal) {
    std::vector<std::size_t> tests;  // which jump to the end of this block when they fail
    const auto unless = [&](unsigned test, std::uint32_t value) {
      tests.push_back(code_.size());
      add(BPF_JMP | test | BPF_K, value);
    };
    load(offsetof(seccomp_data, nr));
    unless(BPF_JEQ, static_cast<std::uint32_t>(refusal.call));
    if (refusal.where >= 0) {
      load_argument(refusal.where);
      unless(BPF_JEQ, refusal.is);
    }
    load_argument(refusal.argument);
    if (refusal.mask != kAll) add(BPF_ALU | BPF_AND | BPF_K, refusal.mask);
    unless(BPF_JGE, refusal.first);
    if (refusal.last != kAll) add(BPF_JMP | BPF_JGT | BPF_K, refusal.last, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(refusal.error));
    for (const std::size_t test : tests) code_[test].jf = static_cast<std::uint8_t>(code_.size() - test - 1);
  }

  std::vector<sock_filter> code_;
};

void list() {
  std::printf("every system call above %d: ENOSYS\n", kLastCall);
  for (const Refusal& refusal : kRefusals) {
    std::printf("call %d", refusal.call);
    if (refusal.where >= 0) std::printf(", argument %d is %u", refusal.where, refusal.is);
    std::printf(", argument %d", refusal.argument);
    if (refusal.mask != kAll) std::printf(" & 0x%x", refusal.mask);
    std::printf(" from %u to %u: %s (%s)\n", refusal.first, refusal.last, std::strerror(refusal.error), refusal.what);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--list") {
    list();
    return 0;
  }
  if (count < 2) {
    std::fputs("usage: k310 COMMAND [ARGUMENTS]: run it without all that Linux 3.10 has not\n       k310 --list\n",
               stderr);
    return 2;
  }
  if (!Program().install()) {
    std::perror("k310: no seccomp filter");
    return 77;
  }
  ::execvp(arguments[1], arguments + 1);
  std::perror(arguments[1]);
  return 127;
}
