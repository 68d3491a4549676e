// hoptap forge: a scenario in, captures and the truth out.
#include <fmt/format.h>

#include <cstdio>

#include "appliance/exit_code.h"
#include "appliance/forge/forge.h"
#include "appliance/forge/scenario_reader.h"
#include "appliance/options.h"
#include "appliance/progress.h"
#include "appliance/read_file.h"

namespace hoptap::appliance {
namespace {

int print_example() {
  fmt::print("{}", forge::example_scenario());
  return std::fflush(stdout) == 0 ? kDone : fail(kCannotWrite, "standard output cannot be written");
}

}  // namespace

int run_forge(const ForgeOptions& options) {
  if (options.example) return print_example();
  if (options.scenario.empty()) return fail(kWrongUsage, "forge needs a scenario; hoptap forge --example prints one");
  if (options.out.empty()) return fail(kWrongUsage, "forge needs --out FOLDER, where the captures go");
  const auto text = read_file(options.scenario);
  if (!text) return fail(kCannotRead, text.error().what);
  const auto scenario = forge::read_scenario(*text, options.scenario);
  if (!scenario) return fail(kWrongUsage, scenario.error().what);
  tl::expected<forge::ForgeResult, forge::ForgeFailure> result;
  {
    Progress progress(Progress::when_of(options.progress));
    result = forge::run_scenario(*scenario, options.scenario, options.out, options.seed.value_or(scenario->seed),
                                 [&progress](double done) { progress.update("forging", done); });
  }
  if (!result) return fail(result.error().scenario_is_wrong ? kWrongUsage : kCannotWrite, result.error().what);
  fmt::print("{}: {} requests, {} packets in {} captures; truth in {}/truth.jsonl\n", options.out, result->requests,
             result->records, result->captures, options.out);
  return kDone;
}

}  // namespace hoptap::appliance
