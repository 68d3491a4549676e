#include "appliance/probe/sandbox.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

namespace hoptap::appliance {
namespace {

// Beside what is used today, what other versions of the C library and of the kernel use for the same.
constexpr std::array kFiles{"access",    "close",      "dup",       "dup2",    "dup3",       "faccessat",  "faccessat2",
                            "fallocate", "fchmod",     "fchown",    "fcntl",   "fdatasync",  "flock",      "fstat",
                            "fstatfs",   "fsync",      "ftruncate", "getcwd",  "getdents",   "getdents64", "ioctl",
                            "lseek",     "lstat",      "mkdir",     "mkdirat", "newfstatat", "open",       "openat",
                            "pipe",      "pipe2",      "pread64",   "preadv",  "pwrite64",   "pwritev",    "read",
                            "readlink",  "readlinkat", "readv",     "rename",  "renameat",   "renameat2",  "rmdir",
                            "stat",      "statfs",     "statx",     "umask",   "unlink",     "unlinkat",   "write",
                            "writev"};
constexpr std::array kSockets{"accept",     "accept4", "bind",     "connect",    "getpeername", "getsockname",
                              "getsockopt", "listen",  "recvfrom", "recvmmsg",   "recvmsg",     "sendmmsg",
                              "sendmsg",    "sendto",  "setns",    "setsockopt", "shutdown"};
constexpr std::array kWaiting{"clock_getres",    "clock_gettime",   "clock_nanosleep", "epoll_create", "epoll_create1",
                              "epoll_ctl",       "epoll_pwait",     "epoll_pwait2",    "epoll_wait",   "eventfd2",
                              "futex",           "gettimeofday",    "nanosleep",       "poll",         "ppoll",
                              "pselect6",        "restart_syscall", "select",          "time",         "timerfd_create",
                              "timerfd_gettime", "timerfd_settime"};
constexpr std::array kMemory{"brk",      "madvise", "membarrier", "mlock", "mmap",
                             "mprotect", "mremap",  "munlock",    "munmap"};
constexpr std::array kItself{"arch_prctl",
                             "capget",
                             "capset",
                             "exit",
                             "exit_group",
                             "get_robust_list",
                             "getcpu",
                             "getegid",
                             "geteuid",
                             "getgid",
                             "getpid",
                             "getppid",
                             "getrandom",
                             "getrlimit",
                             "getrusage",
                             "gettid",
                             "getuid",
                             "prctl",
                             "prlimit64",
                             "rseq",
                             "rt_sigaction",
                             "rt_sigpending",
                             "rt_sigprocmask",
                             "rt_sigreturn",
                             "rt_sigsuspend",
                             "rt_sigtimedwait",
                             "sched_getaffinity",
                             "sched_getparam",
                             "sched_getscheduler",
                             "sched_setaffinity",
                             "sched_yield",
                             "set_robust_list",
                             "set_tid_address",
                             "sigaltstack",
                             "sysinfo",
                             "tgkill",
                             "uname"};
constexpr std::array<std::uint64_t, 5> kFamilies{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};

constexpr bool kWatchesItself =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    true;
#else
    false;
#endif
#else
    false;
#endif

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

/// A call that this processor or library does not know needs no rule.
int allow(const Filter& filter, const char* name) {
  const int call = seccomp_syscall_resolve_name(name);
  return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
}

/// Threads, but no processes and no namespaces. clone3 cannot be looked into, so the C library is told that there is
/// none and takes clone.
int allow_threads(const Filter& filter) {
  constexpr std::uint64_t kNamespaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  return seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | kNamespaces, CLONE_THREAD));
}

int fill(const Filter& filter) {
  int error = allow_threads(filter);
  const auto allow_all = [&](const auto& names) {
    for (const char* name : names)
      if (error == 0) error = allow(filter, name);
  };
  allow_all(kFiles);
  allow_all(kSockets);
  allow_all(kWaiting);
  allow_all(kMemory);
  allow_all(kItself);
  for (const std::uint64_t family : kFamilies)
    for (const int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
      if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, family));
  return error;
}

}  // namespace

base::Outcome<bool> enter_sandbox(bool loads_programs) {
  if (kWatchesItself || ::prctl(PR_GET_SECCOMP) < 0) return false;  // EINVAL: built without
  const auto failure = [](const char* what, int error) {
    return tl::unexpected(base::Failure{
        fmt::format("the sandbox cannot be entered ({}: {}); 'sandbox: false' in the configuration goes without", what,
                    std::strerror(-error))});
  };
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), seccomp_release);
  if (!filter) return failure("seccomp_init", -ENOMEM);
  int error = fill(filter);
  if (error == 0 && loads_programs) error = allow(filter, "bpf");
  if (error != 0) return failure("a rule", error);
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree: each call is looked at
  seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);  // the kernel's own errors
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);     // refused before kernel 3.17
  error = seccomp_load(filter.get());
  if (error != 0) {
    if (error == -EINVAL || error == -ENOSYS) return false;  // a kernel with seccomp and without its filters
    return failure("seccomp_load", error);
  }
  return true;
}

}  // namespace hoptap::appliance
