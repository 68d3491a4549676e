#include "capture/live/network_interface.h"

#include <gtest/gtest.h>

namespace hoptap::capture {
namespace {

TEST(NetworkInterfaceTest, TheNearestNamesComeFirstAndAreFew) {
  EXPECT_EQ(nearest_names("eth00", {"wlan0", "lo", "eth0"}), "eth0, wlan0, lo");
  EXPECT_EQ(nearest_names("x", {"lo"}), "lo");
  EXPECT_EQ(nearest_names("veth7", {"veth1", "veth2", "veth3", "veth4", "veth5", "veth6", "veth77"}),
            "veth1, veth2, veth3, veth4, veth5 and 2 more");
}

}  // namespace
}  // namespace hoptap::capture
