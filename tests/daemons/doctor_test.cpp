// What hoptap doctor prints, and what it finds on whatever host this is.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "appliance/doctor/finding.h"
#include "appliance/doctor/host.h"
#include "appliance/doctor/interfaces.h"

namespace hoptap::test {
namespace {

using appliance::Finding;
using appliance::Findings;
using appliance::Severity;

TEST(Doctor, MarksTheWorstAndSaysWhatToDo) {
  const Findings findings{{"kernel", Severity::kGood, "Linux 6.1", ""},
                          {"eth1", Severity::kTrouble, "no packet", "look"}};
  EXPECT_EQ(appliance::findings_text(findings),
            "ok    kernel  Linux 6.1\n"
            "BAD   eth1    no packet\n"
            "              -> look\n");
  EXPECT_TRUE(appliance::has_trouble(findings));
  EXPECT_FALSE(appliance::has_trouble({findings[0], {"dpdk", Severity::kNote, "not built", ""}}));
}

TEST(Doctor, JsonIsOneObjectALine) {
  const std::string text = appliance::findings_json({{"e\"1", Severity::kNote, "a\nb", ""}});
  ASSERT_EQ(text.find('\n'), text.size() - 1);
  const boost::json::object line = boost::json::parse(text).as_object();
  EXPECT_EQ(line.at("topic").as_string(), "e\"1");
  EXPECT_EQ(line.at("severity").as_string(), "note");
  EXPECT_EQ(line.at("text").as_string(), "a\nb");
}

TEST(Doctor, KnowsThisHost) {
  EXPECT_NE(appliance::kernel_finding().text.find("Linux "), std::string::npos);
  EXPECT_EQ(appliance::privilege_findings().size(), 3u);
  EXPECT_FALSE(appliance::clock_finding().text.empty());
  EXPECT_FALSE(appliance::sandbox_finding().text.empty());
  EXPECT_NE(appliance::memory_finding().text.find(" MiB"), std::string::npos);
  EXPECT_EQ(appliance::interface_finding("no-such-one").severity, Severity::kTrouble);
  for (const Finding& one : appliance::capture_findings()) EXPECT_FALSE(one.text.empty()) << one.topic;
}

}  // namespace
}  // namespace hoptap::test
