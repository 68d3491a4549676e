#include "export/text.h"

#include <gtest/gtest.h>

#include <sstream>

#include "export/canvas.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using exporting::Canvas;
using exporting::PathTable;
using exporting::TextStyle;

struct Drawing {
  Analysis analysis;
  std::size_t lossy = 0;  ///< a trace that lost a request copy
};

Drawing lossy_run() {
  Scenario scenario;
  scenario.loss = 0.05;
  scenario.nat = true;
  std::vector<HopRecord> records = records_of(scenario);
  for (HopRecord& record : records) {
    if (record.point != point_id(scenario, 3)) continue;
    record.vantage.tunnels.depth = 1;
    record.vantage.tunnels.layers[0].id = 7;
  }
  Drawing drawing{analyse(records, point_table(scenario)), 0};
  const auto loses_request = [&](const linker::Trace& trace) {
    return trace.parts.size() > 3 && trace.parts[3].request_copies_lost > 0;
  };
  while (!loses_request(drawing.analysis.traces[drawing.lossy])) ++drawing.lossy;
  return drawing;
}

std::string draw(const Drawing& drawing, const TextStyle& style) {
  return exporting::draw_trace(drawing.analysis.traces[drawing.lossy], drawing.analysis.judgements[drawing.lossy],
                               style);
}

void expect_within(const std::string& text, std::size_t columns) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(Canvas::width(line), columns) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(Text, DrawsThePathFromClientToServer) {
  const Drawing drawing = lossy_run();
  const std::string text = draw(drawing, {});
  EXPECT_LT(text.find("pod-a"), text.find("switch-a"));
  EXPECT_LT(text.find("switch-a"), text.find("pod-b"));
  EXPECT_NE(text.find("✗ lost: 1 to server"), std::string::npos) << text;
  EXPECT_NE(text.find("in vxlan 7"), std::string::npos);
  EXPECT_NE(text.find("target now 10.0.2.10:80"), std::string::npos);
  EXPECT_NE(text.find("switch-a → switch-b: +20"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Text, NamesProcessesOnceAtTheirEnd) {
  Drawing drawing = lossy_run();
  std::vector<linker::Hop>& hops = drawing.analysis.traces[drawing.lossy].hops;
  const auto nginx = std::make_shared<flowtable::Process>(
      flowtable::Process{.pid = 1234, .name = "nginx\x1b[31m", .container_id = std::string(20, 'a')});
  hops.front().record.processes.client =
      std::make_shared<flowtable::Process>(flowtable::Process{.pid = 7, .name = "curl", .container_id = {}});
  for (std::size_t at = hops.size() - 2; at < hops.size(); ++at) hops[at].record.processes.server = nginx;
  const std::string text = draw(drawing, {});
  EXPECT_LT(text.find("│ client process curl[7]\n"), text.find("switch-a")) << text;
  const std::size_t server = text.find(" container aaaaaaaaaaaa\n");
  EXPECT_GT(server, text.find("switch-a")) << text;
  EXPECT_EQ(text.find(" container ", server + 1), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(draw(drawing, {.unicode = false}).find("| server process nginx"), std::string::npos);
}

TEST(Text, FitsTheWidth) {
  const Drawing drawing = lossy_run();
  for (const std::size_t columns : {80u, 100u, 140u}) {
    expect_within(draw(drawing, {columns, false, true}), columns);
    expect_within(exporting::draw_verdict(drawing.analysis.verdict, {columns, false, true}), columns);
  }
}

TEST(Text, AsciiHasOnlyAscii) {
  const Drawing drawing = lossy_run();
  PathTable table;
  for (const linker::Trace& trace : drawing.analysis.traces) table.add(trace);
  const TextStyle ascii{80, false, false};
  const std::string text = draw(drawing, ascii) + exporting::draw_paths(table, ascii) +
                           exporting::draw_verdict(drawing.analysis.verdict, ascii);
  for (const char byte : text) ASSERT_TRUE(byte == '\n' || (byte >= ' ' && byte <= '~')) << text;
  EXPECT_NE(text.find("switch-a -> switch-b"), std::string::npos);
}

TEST(Text, ColoursOnlyWhenAsked) {
  const std::string text = draw(lossy_run(), {80, true, true});
  EXPECT_NE(text.find("\x1b[1;31m"), std::string::npos);
}

TEST(Text, WireTextCannotDriveTheTerminal) {
  Drawing drawing = lossy_run();
  drawing.analysis.traces[drawing.lossy].hops.front().record.resource = "/\x1b[2J\x07\xff";
  const std::string text = draw(drawing, {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
}

TEST(Text, TablesHoldEveryPart) {
  const Drawing drawing = lossy_run();
  PathTable table;
  for (const linker::Trace& trace : drawing.analysis.traces) table.add(trace);
  ASSERT_EQ(table.paths().size(), 1u);
  EXPECT_EQ(table.paths()[0]->requests, 300u);
  std::int64_t sum = 0;
  for (const exporting::PartTimes& part : table.paths()[0]->parts) sum += part.sum_ns;
  EXPECT_EQ(sum, table.paths()[0]->sum_ns);
  const std::string text = exporting::draw_paths(table, {});
  for (const char* part : {"pod-a sending", "switch-a → switch-b", "pod-b process", "p99", "lost"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Canvas, MeasuresCutsAndWraps) {
  EXPECT_EQ(Canvas::width("aé→█"), 4u);
  EXPECT_EQ(Canvas::fit("abcdef", 4), "abc~");
  EXPECT_EQ(Canvas::fit("é→abc", 3), "é→~");
  EXPECT_EQ(Canvas::right("é", 3), "  é");
  const Canvas canvas({60, false, true});
  EXPECT_EQ(canvas.bar(0.5, 4), "██");
  EXPECT_EQ(canvas.bar(7, 2), "██");
  EXPECT_EQ(canvas.arrows("a -> b"), "a → b");
  EXPECT_EQ(canvas.wrap("", "  "), "");
  EXPECT_EQ(exporting::share_text(0.001), "<1 %");
  EXPECT_EQ(exporting::share_text(-0.001), "0 %");
}

}  // namespace
}  // namespace hoptap::test
