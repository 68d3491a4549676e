// A scripted connection and the one report of its metrics. For tests only.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {

inline flowtable::FlowTableConfig metrics_config(std::uint64_t interval_ns = 1000 * kSecond, bool l7 = false) {
  flowtable::FlowTableConfig config;
  config.metrics_interval_ns = interval_ns;
  config.l7 = l7;
  return config;
}

/// Each packet passes a millisecond after the one before. The ends have no window scale, and a window of 65535.
class MetricsScript : public Script {
 public:
  explicit MetricsScript(const flowtable::FlowTableConfig& config = metrics_config()) : Script(config) {
    client.set_window(65535);
    server.set_window(65535);
  }

  /// No more packets. @return the report of the connection, which must be the only one
  const flowtable::FlowMetrics& report() {
    finish();
    EXPECT_EQ(records.reports.size(), 1u);
    return records.reports.at(0);
  }

  /// Both ends have spoken; what is measured begins in order, on an open connection.
  void open() {
    handshake();
    client.send("ask");
    server.ack();
    server.send("answer");
    client.ack();
  }
};

}  // namespace hoptap::tests
