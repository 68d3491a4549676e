// Runs the tests in a network namespace of their own, or says why they are skipped.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/live/network.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const std::string missing = hoptap::test::enter_own_network(); !missing.empty()) {
    std::printf("skipped: live capture %s\n", missing.c_str());
    return 77;
  }
  return RUN_ALL_TESTS();
}
