// What hoptap's exit codes mean; `hoptap --help` lists the same.
#pragma once

#include <string>

namespace hoptap::appliance {

enum ExitCode : int {
  kDone = 0,          ///< the captures were analysed, whatever the verdict, or made
  kNothingFound = 1,  ///< no request in any capture (after the filter), nothing the tracer knows
  kWrongUsage = 2,    ///< options that make no sense, a scenario or configuration that makes none
  kCannotRead = 3,    ///< a file cannot be opened, a capture is none
  kCannotWrite = 4,   ///< output, temporary files, spool or database cannot be written; not all was delivered
  kCannotReach = 5,   ///< no tracer answers, or it cannot
};

/// A program's main(): runs it, and says what was thrown. The command line's library and memory may throw; the engine
/// does not.
int run_main(const char* program, int (*run)(int, char**), int count, char** arguments);

/// Says on standard error what went wrong. @return `code`
int fail(int code, const std::string& what);

}  // namespace hoptap::appliance
