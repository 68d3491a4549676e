// Runs the tests in a network namespace of their own, with DPDK started once, or says why they are skipped.
#include <gtest/gtest.h>

#include <cstdio>

#include "capture/dpdk/dpdk.h"
#include "tests/live/network.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const std::string missing = hoptap::test::enter_own_network(); !missing.empty()) {
    std::printf("skipped: ports of DPDK: %s\n", missing.c_str());
    return 77;
  }
  if (const auto started = hoptap::capture::start_dpdk({.eal = {}, .memory_mib = 192}, {}); !started) {
    std::printf("%s\n", started.error().what.c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
