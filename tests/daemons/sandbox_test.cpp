// What can be done inside the sandbox, and what cannot; each in a process of its own, for there is no way out.
#include "appliance/probe/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <iterator>
#include <thread>

namespace hoptap::test {
namespace {

constexpr int kNoSandbox = 77;

/// What `work` gives inside: at most 76.
int inside(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto entered = appliance::enter_sandbox();
    ::_exit(!entered ? 78 : !*entered ? kNoSandbox : work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Is it as if the kernel had no such call?
int refused(long result) { return result == -1 && errno == ENOSYS ? 0 : 1; }

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (inside([] { return 0; }) == kNoSandbox) GTEST_SKIP() << "no filters of system calls, or a sanitizer's build";
  }
};

TEST_F(Sandbox, StartsNoProgramAndNoProcess) {
  EXPECT_EQ(inside([] {
              char name[] = "/bin/true";
              char* const words[] = {name, nullptr};
              return refused(::execv(name, words));
            }),
            0);
  EXPECT_EQ(inside([] { return refused(::fork()); }), 0);
}

TEST_F(Sandbox, LooksIntoNoProcessAndLeavesNoNamespace) {
  EXPECT_EQ(inside([] { return refused(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)); }), 0);
  EXPECT_EQ(inside([] { return refused(::unshare(CLONE_NEWUSER)); }), 0);
}

TEST_F(Sandbox, OpensNoOtherSockets) {
  EXPECT_EQ(inside([] { return refused(::socket(AF_VSOCK, SOCK_STREAM, 0)); }), 0);
}

TEST_F(Sandbox, LetsAProbeWork) {
  EXPECT_EQ(inside([] {
              bool ran = false;
              std::thread([&ran] { ran = true; }).join();
              const int file = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
              const int net = ::socket(AF_INET, SOCK_STREAM, 0);
              const void* memory = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return ran && file >= 0 && net >= 0 && memory != MAP_FAILED ? 0 : 1;
            }),
            0);
}

/// As a kernel that has seccomp but no filters (CONFIG_SECCOMP_FILTER) answers.
void refuse_filters() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog wanted{.len = std::size(program), .filter = program};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &wanted);
}

TEST_F(Sandbox, IsDoneWithoutWhereTheKernelHasNone) {
  const pid_t child = ::fork();
  if (child == 0) {
    refuse_filters();
    const auto entered = appliance::enter_sandbox();
    if (!entered) std::fprintf(stderr, "%s\n", entered.error().what.c_str());
    ::_exit(!entered ? 1 : *entered ? 2 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Sandbox, HoldsForThreadsThatRanBefore) {  // from kernel 3.17
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<bool> entered = false;
    int result = 1;
    std::thread before([&] {
      while (!entered) std::this_thread::yield();
      result = refused(::unshare(CLONE_NEWUTS));
    });
    const auto done = appliance::enter_sandbox();
    entered = true;
    before.join();
    ::_exit(done ? result : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace hoptap::test
