#include "appliance/points.h"

#include <gtest/gtest.h>

namespace hoptap::appliance {
namespace {

using Names = std::vector<std::string>;

TEST(Points, AreNamedAfterFiles) {
  EXPECT_EQ(names_of_files({"a/04_switch-a.pcap", "10-tor.pcapng.zst", "x.cap.gz", "-"}),
            (Names{"switch-a", "tor", "x", "stdin"}));
  EXPECT_EQ(names_of_files({"2024.pcap", "01.pcap"}), (Names{"2024", "01"})) << "digits alone are a name";
}

TEST(Points, TakeAsMuchOfTheFolderAsKeepsThemApart) {
  EXPECT_EQ(names_of_files({"lab/node-a/eth0.pcap", "lab/node-b/eth0.pcap"}), (Names{"node-a/eth0", "node-b/eth0"}));
  EXPECT_EQ(names_of_files({"a.pcap", "a.pcap"}), (Names{"a", "a#2"}));
}

TEST(Points, HaveTheRoleTheirNameSays) {
  for (const auto& [name, role] : std::vector<std::pair<std::string, std::string>>{{"pod-a", "pod"},
                                                                                   {"node-7:eth0", "node"},
                                                                                   {"ToR-1", "switch"},
                                                                                   {"monitor", "unknown"},
                                                                                   {"edge-gw", "gateway"},
                                                                                   {"client", "host"},
                                                                                   {"podium", "unknown"},
                                                                                   {"", "unknown"}})
    EXPECT_EQ(role_of_name(name), role) << name;
}

TEST(Points, HintsAreRead) {
  const auto hint = read_point_hint("--point", "dir/a=b.pcap=tor 1:switch:3");
  ASSERT_TRUE(hint.has_value());
  EXPECT_EQ(hint->first, "dir/a=b.pcap");
  EXPECT_EQ(hint->second.name, "tor 1");
  EXPECT_EQ(hint->second.role, "switch");
  EXPECT_EQ(hint->second.order, 3u);
}

TEST(Points, BadHintsSayHowToWriteThem) {
  for (const char* text : {"a.pcap", "=x", "a.pcap=", "a.pcap=x:router", "a.pcap=x:pod:", "a.pcap=x:pod:2x"}) {
    const auto hint = read_point_hint("--point", text);
    ASSERT_FALSE(hint.has_value()) << text;
    EXPECT_NE(hint.error().what.find("FILE=NAME:ROLE"), std::string::npos) << hint.error().what;
  }
}

}  // namespace
}  // namespace hoptap::appliance
