#include "base/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace hoptap::base {
namespace {

/// In a thread that is left with so much of what it has.
std::string words_with(std::uint64_t left, std::initializer_list<unsigned> needed) {
  std::string words;
  std::thread([&] {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    ASSERT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
    sets[0].effective &= static_cast<std::uint32_t>(left);
    sets[1].effective &= static_cast<std::uint32_t>(left >> 32);
    ASSERT_EQ(::syscall(SYS_capset, &header, sets.data()), 0);
    ASSERT_EQ(effective_capabilities() & ~left, 0u);
    words = setcap_words(needed);
  }).join();
  return words;
}

TEST(BaseCapabilities, SetcapNamesWhatIsNeededAndCaptureItself) {
  EXPECT_EQ(words_with(0, {}), "cap_net_raw+ep");
  EXPECT_EQ(words_with(0, {CAP_NET_RAW}), "cap_net_raw+ep");
  EXPECT_EQ(words_with(0, {CAP_SYS_ADMIN}), "cap_net_raw,cap_sys_admin+ep");
  EXPECT_EQ(words_with(0, {CAP_NET_ADMIN, 39, 38}), "cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep");
}

TEST(BaseCapabilities, SetcapTakesNothingAway) {
  if (!has_capability(CAP_SYS_ADMIN)) GTEST_SKIP() << "needs root, to have something to keep";
  EXPECT_EQ(words_with(1u << CAP_SYS_ADMIN | 1u << CAP_KILL, {CAP_NET_ADMIN}),
            "cap_net_raw,cap_net_admin,cap_sys_admin+ep");
}

}  // namespace
}  // namespace hoptap::base
